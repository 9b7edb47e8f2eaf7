"""Priority: seconds by which a run goes ahead of its arrival, given once or computed from the event (R15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..broker.defaults import MAX_PRIORITY_SECONDS
from .errors import DefinitionError
from .keys import compile_key
from .registry import Definition

_REMEDY: Final = (
    f"Give seconds from -{MAX_PRIORITY_SECONDS} to {MAX_PRIORITY_SECONDS}, or where the event has them, such as "
    '"event.data.urgency"; more is earlier, 0 is in order of arrival.'
)


def check_priority(value: object) -> float | str:
    """Seconds, or the expression that gives them.

    Raises:
        DefinitionError: neither, or outside of -600 to 600.
    """
    if isinstance(value, str):
        return compile_key(value).text
    most = MAX_PRIORITY_SECONDS
    if not isinstance(value, int | float) or isinstance(value, bool) or not -most <= value <= most:
        raise DefinitionError(f"priority= is {value!r}.", remedy=_REMEDY)
    return float(value)


def depends_on_event(definition: Definition) -> bool:
    """Whether each event has a priority of its own."""
    return isinstance(definition.priority, str)


def priority_ms(definition: Definition, event: Mapping[str, Any]) -> int:
    """By how much the run of an event (a mapping with `id`, `name`, `data`, `key`) goes ahead of its arrival.

    What is beyond 600 s counts as 600 s; what is missing, or no number, as 0.
    """
    if not isinstance(definition.priority, str):
        return round(definition.priority * 1000)
    value = compile_key(definition.priority).get(event)
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
        return 0
    return round(max(-MAX_PRIORITY_SECONDS, min(value, MAX_PRIORITY_SECONDS)) * 1000)
