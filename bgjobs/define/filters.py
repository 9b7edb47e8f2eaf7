"""Filters over an event: a path compared with a literal is built in, anything else is CEL (extra `cel`).

A filter is pure: the same event gives the same verdict on every worker. A path that is missing never matches,
whatever the comparison. Values are the same as in `values`: 5 equals 5.0; true, 1 and "1" differ.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

from .errors import InvalidExpression, MissingExtra
from .paths import PATTERN, Path, compile_path
from .values import MISSING, same

#: Longer expressions are refused: they would be stored with every definition and wait.
LONGEST_EXPRESSION = 2_000


class FilterError(Exception):
    """A filter could not decide about an event: the event does not match, and the reason is counted.

    `reason` is one of a few words, fit for a metric's label.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Filter(Protocol):
    """A compiled filter."""

    @property
    def text(self) -> str:
        """The expression as the user wrote it."""
        ...

    def matches(self, event: Mapping[str, Any]) -> bool:
        """The verdict on an event, a mapping with `id`, `name`, `data`, `key`.

        Raises:
            FilterError: it can't be decided, for example when a text is compared with a number.
        """
        ...


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_TEXT = r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\""""
_COMPARISON = re.compile(
    rf"\s*(?P<path>{PATTERN})\s*(?P<operator>==|!=|<=|>=|<|>)\s*(?P<literal>{_NUMBER}|{_TEXT}|true|false|null)\s*"
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?",
                   "a": "\a", "b": "\b", "f": "\f", "v": "\v"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """A path compared with a literal."""

    text: str
    path: Path
    operator: str
    literal: Any

    def matches(self, event: Mapping[str, Any]) -> bool:
        """See `Filter.matches`."""
        value = self.path.get(event)
        if value is MISSING:
            return False
        if self.operator == "==":
            return same(value, self.literal)
        if self.operator == "!=":
            return not same(value, self.literal)
        if not _comparable(value, self.literal):
            raise FilterError("type", f"{self.path.text} is {value!r}, which has no order with {self.literal!r}")
        return _OPERATORS[self.operator](value, self.literal)


@lru_cache(maxsize=10_000)
def compile_filter(text: str) -> Filter:
    """Compile a filter.

    Raises:
        InvalidExpression: it can't be read.
        MissingExtra: it needs CEL, which is not installed.
    """
    if not isinstance(text, str):
        raise InvalidExpression(f"A filter is of type {type(text).__name__}, not a text.")
    if not text.strip():
        raise InvalidExpression("A filter is empty.")
    if len(text) > LONGEST_EXPRESSION:
        raise InvalidExpression(f"A filter has {len(text)} characters; at most {LONGEST_EXPRESSION} are allowed.")
    match = _COMPARISON.fullmatch(text)
    if match is None:
        return _compile_cel(text)
    sign, literal = match["operator"], _literal(match["literal"])
    if sign in _OPERATORS and (literal is None or isinstance(literal, bool)):
        raise InvalidExpression(
            f"{text.strip()!r} asks whether something is {sign} {match['literal']}.",
            remedy="Compare with true, false and null by == or != only.",
        )
    return Comparison(text.strip(), compile_path(match["path"]), sign, literal)


def _compile_cel(text: str) -> Filter:
    try:
        from .cel_filters import compile_cel
    except ModuleNotFoundError as error:
        if error.name != "cel":
            raise
        raise MissingExtra(
            f"The filter {text!r} is no plain comparison such as `event.data.amount > 100`, but a CEL expression.",
            "cel",
        ) from None
    return compile_cel(text)


def _literal(text: str) -> Any:
    match text:
        case "true" | "false":
            return text == "true"
        case "null":
            return None
        case _ if text[0] in "'\"":
            return _ESCAPE.sub(_unescape, text[1:-1])
        case _ if text.lstrip("-").isdecimal():
            return int(text)
        case _:
            return float(text)


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        return chr(int(code, 16))
    if match[4] not in _ESCAPES:
        raise InvalidExpression(f"{match[0]!r} in a filter's text is no escape.", remedy=r"Write a backslash as \\.")
    return _ESCAPES[match[4]]


def _comparable(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return True
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in (left, right))
