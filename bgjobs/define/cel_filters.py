"""Filters and keys in CEL, the Common Expression Language. Importing this module needs the extra `cel`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cel

from .errors import InvalidExpression
from .filters import FilterError
from .values import MISSING

# The macros that bind a name of their own: all(x, ...), exists(x, ...) and so on.
_MACRO = re.compile(
    r"\.\s*(?:all|exists|exists_one|existsOne|map|filter|transformList|transformMap|bind)\s*\(\s*(\w+)\s*(?:,\s*(\w+)\s*,)?"
)
# What an evaluation finds: else a filter with a misspelt function would be taken, and match nothing.
# fmt: off
_FUNCTIONS = {
    "size", "int", "uint", "double", "string", "bytes", "type", "dyn", "timestamp", "duration", "has",
    "startsWith", "endsWith", "contains", "matches", "getDate", "getDayOfMonth", "getDayOfWeek",
    "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds"
}
# fmt: on
_LANGUAGE = "The language: https://cel.dev."


@dataclass(frozen=True, slots=True)
class CelFilter:
    """A compiled CEL expression over `event`."""

    text: str
    program: cel.Program

    def matches(self, event: Mapping[str, Any]) -> bool:
        """See `Filter.matches`. A path that is missing where the verdict depends on it does not match."""
        try:
            verdict = self.program.execute({"event": dict(event)})
        except KeyError:
            return False
        except Exception as error:
            raise FilterError("type" if isinstance(error, TypeError) else "error", str(error)) from error
        if not isinstance(verdict, bool):
            raise FilterError("not_bool", f"{self.text!r} gives {verdict!r}, neither true nor false")
        return verdict


@dataclass(frozen=True, slots=True)
class CelKey:
    """A compiled CEL expression whose value is a key."""

    text: str
    program: cel.Program

    def get(self, event: Mapping[str, Any]) -> Any:
        """The value, or `MISSING` where the event has no such path or the expression can't be evaluated."""
        try:
            return self.program.execute({"event": dict(event)})
        except Exception:
            return MISSING


def compile_cel(text: str) -> CelFilter:
    """Compile a filter.

    Raises:
        InvalidExpression: it can't be read, or looks at something else than `event`.
    """
    return CelFilter(text.strip(), _compile(text, "filter"))


def compile_cel_key(text: str) -> CelKey:
    """Compile a key. Raises like `compile_cel`."""
    return CelKey(text.strip(), _compile(text, "key"))


def _compile(text: str, kind: str) -> cel.Program:
    try:
        program = cel.compile(text)
    except Exception as error:
        raise InvalidExpression(
            f"The {kind} {text!r} can't be read: {_first_error(error)}.", remedy=_LANGUAGE
        ) from error
    bound = {name for match in _MACRO.finditer(text) for name in match.groups() if name}
    if unknown := sorted(set(program.variables()) - {"event"} - bound):
        raise InvalidExpression(
            f"The {kind} {text!r} looks at {', '.join(unknown)}, which it does not have.",
            remedy="It has `event` alone: event.name, event.id, event.key and event.data.",
        )
    if unknown := sorted({name for name in program.functions() if name.isidentifier()} - _FUNCTIONS):
        raise InvalidExpression(
            f"The {kind} {text!r} calls {', '.join(unknown)}, which CEL does not have.", remedy=_LANGUAGE
        )
    return program


def _first_error(error: Exception) -> str:
    lines = str(error).partition("ERROR: ")[2].splitlines()
    return lines[0] if lines else str(error)
