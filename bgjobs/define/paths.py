"""Dotted paths into an event, such as `event.data.items[0].sku`: what keys, matches and filters look at."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .errors import InvalidExpression
from .values import MISSING

#: What an event has at its root.
FIELDS = ("id", "name", "data", "key")

#: One path, for grammars that contain paths: a root, then `.name`, `[0]` or `["any text"]`.
PATTERN = r"""[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d{1,9}\]|\["(?:[^"\\]|\\.)*"\])*"""

_PATH = re.compile(PATTERN)
_PART = re.compile(r"""([A-Za-z_]\w*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]""")

_REMEDY = "Write a path such as `event.data.customer_id`, `event.data.items[0].sku` or `event.id`."


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path. Equal paths have equal text, however they were written."""

    text: str  # in full: "event.data.customer_id"
    parts: tuple[str | int, ...]  # below `event`: ("data", "customer_id")

    def get(self, event: Mapping[str, Any]) -> Any:
        """The value in an event (a mapping with `id`, `name`, `data`, `key`), or `MISSING`."""
        value: Any = event
        for part in self.parts:
            if isinstance(value, Mapping):
                if part not in value:
                    return MISSING
                value = value[part]
            elif isinstance(part, int) and isinstance(value, list | tuple) and part < len(value):
                value = value[part]
            else:
                return MISSING
        return value


def is_path(text: str) -> bool:
    """Whether a text has the form of a path, wherever it leads."""
    return _PATH.fullmatch(text.strip()) is not None


@lru_cache(maxsize=10_000)
def compile_path(text: str) -> Path:
    """Compile a path. `data.x` is short for `event.data.x`.

    Raises:
        InvalidExpression: it is no path, or does not begin at an event.
    """
    words = text.strip()
    if not _PATH.fullmatch(words):
        raise InvalidExpression(f"{text!r} is no path into an event.", remedy=_REMEDY)
    parts = [_part(match) for match in _PART.finditer(words)]
    if parts[0] == "event":
        del parts[0]
    if not parts or parts[0] not in FIELDS:
        raise InvalidExpression(
            f"{text!r} leads nowhere: an event has {', '.join(FIELDS[:-1])} and {FIELDS[-1]}.", remedy=_REMEDY
        )
    return Path("event" + "".join(map(_written, parts)), tuple(parts))


def _part(match: re.Match[str]) -> str | int:
    name, index, quoted = match.groups()
    if name is not None:
        return str(name)
    if index is not None:
        return int(index)
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise InvalidExpression(f"{quoted} is no text.", remedy=_REMEDY) from None


def _written(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if re.fullmatch(r"[A-Za-z_]\w*", part) else f"[{json.dumps(part)}]"
