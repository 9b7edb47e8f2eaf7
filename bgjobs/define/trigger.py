"""What starts a function: events by name, or times of a cron expression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, TypeAlias

from .cron import MISSED_POLICIES, CronTimetable, MissedPolicy, cron_timetable
from .errors import DefinitionError
from .event import EventModel, name_of
from .filters import compile_filter
from .names import check_pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Events of a name, or of all names with a beginning, perhaps only those that pass a filter. Made by `event`."""

    name: str  # exact, or a beginning followed by "*"
    filter: str | None = None  # see `filters`
    model: type[EventModel] | None = None  # what the data is checked against

    def __post_init__(self) -> None:
        check_pattern(self.name, "The event name")
        if self.filter is not None:
            compile_filter(self.filter)


@dataclass(frozen=True, slots=True)
class Cron:
    """Times at which a function runs: a cron expression in a zone.

    Args:
        expression: five fields (minute, hour, day of month, month, day of week), or @hourly, @daily, @weekly ...
        tz: an IANA zone, such as "Europe/Berlin".
        missed: which ticks to make up for that came while no worker could fire them: the `last` one, `all` of them
            (the latest 100 at most), or none (`skip`).
    """

    expression: str
    tz: str = "UTC"
    missed: MissedPolicy = "last"

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", self.timetable.expression)
        if self.missed not in MISSED_POLICIES:
            raise DefinitionError(f"missed= is {self.missed!r}.", remedy=f"Give one of {', '.join(MISSED_POLICIES)}.")

    @property
    def timetable(self) -> CronTimetable:
        """When it ticks."""
        return cron_timetable(self.expression, self.tz)

    @property
    def key(self) -> str:
        """16 characters that stand for the expression and its zone."""
        return sha1(f"{self.expression}\0{self.tz}".encode(), usedforsecurity=False).hexdigest()[:16]


TriggerOption: TypeAlias = str | type[EventModel] | Trigger
CronOption: TypeAlias = str | Cron


def event(name: str | type[EventModel], *, filter: str | None = None) -> Trigger:
    """A trigger: ``on=bgjobs.event("order/*", filter="event.data.amount > 100")``.

    Args:
        name: an event name, a beginning followed by `*`, or a typed event.
        filter: a path compared with a value, or a CEL expression (extra `cel`).

    Raises:
        DefinitionError: the name or the filter can't be used.
    """
    if isinstance(name, type):
        if not issubclass(name, EventModel):
            raise DefinitionError(f"{name.__name__} is no event.", remedy="Derive it from bgjobs.EventModel.")
        return Trigger(name=name_of(name), filter=filter, model=name)
    return Trigger(name=name, filter=filter)


def triggers_of(option: TriggerOption | Sequence[TriggerOption]) -> tuple[Trigger, ...]:
    """The triggers that a decorator's `on=` means. Raises like `event`."""
    options: Sequence[Any] = option if isinstance(option, list | tuple) else [option]
    return tuple(item if isinstance(item, Trigger) else event(item) for item in options)


def crons_of(option: CronOption | Sequence[CronOption]) -> tuple[Cron, ...]:
    """The cron entries that a decorator's `cron=` means.

    Raises:
        DefinitionError: one of them can't be used, or two are the same.
    """
    options: Sequence[Any] = option if isinstance(option, list | tuple) else [option]
    crons = tuple(item if isinstance(item, Cron) else Cron(item) for item in options)
    if len({cron.key for cron in crons}) < len(crons):
        raise DefinitionError("Two cron expressions of the function are the same.", remedy="Remove one of them.")
    return crons
