"""Keys of policies: a path into the event, or a CEL expression over it (extra `cel`)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha1
from typing import Any, Protocol

from .errors import InvalidExpression, MissingExtra
from .filters import LONGEST_EXPRESSION
from .paths import compile_path, is_path
from .values import MISSING, tagged


class Key(Protocol):
    """A compiled key."""

    @property
    def text(self) -> str:
        """The expression; equal paths have equal text."""
        ...

    def get(self, event: Mapping[str, Any]) -> Any:
        """The value in an event (a mapping with `id`, `name`, `data`, `key`), or `MISSING`."""
        ...


@lru_cache(maxsize=10_000)
def compile_key(text: object) -> Key:
    """Compile a key.

    Raises:
        InvalidExpression: it can't be read.
        MissingExtra: it needs CEL, which is not installed.
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidExpression(f"A key is {text!r}.", remedy="Give a path such as event.data.customer_id.")
    if len(text) > LONGEST_EXPRESSION:
        raise InvalidExpression(f"A key has {len(text)} characters; at most {LONGEST_EXPRESSION} are allowed.")
    if is_path(text):
        return compile_path(text)
    try:
        from .cel_filters import compile_cel_key
    except ModuleNotFoundError as error:
        if error.name != "cel":
            raise
        raise MissingExtra(
            f"The key {text!r} is no path such as `event.data.customer_id`, but a CEL expression.", "cel"
        ) from None
    return compile_cel_key(text)


def key_part(key: Key, event: Mapping[str, Any]) -> str:
    """24 characters that stand for the key's value in an event; `missing` if it has none.

    96 bits: two values that share them would be taken for the same event, customer or order.
    """
    value = key.get(event)
    if value is MISSING:
        return "missing"
    return sha1(tagged(value).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:24]
