"""When recurring things are due: pure arithmetic over cron expressions and intervals, in server milliseconds.

Cron ticks are wall-clock times of an IANA zone. Across a change of daylight saving time: a time that does not exist
(02:30 when clocks jump from 02:00 to 03:00) ticks once, at the jump; a time that comes twice ticks once, the first
time, except for expressions that tick in every hour, which go on by elapsed time. The next tick depends on nothing but
the time asked about, so that every worker computes the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterError, croniter

from .errors import UsageError
from .schedule import Schedule

#: What to do about ticks that came while no worker could fire them.
MissedPolicy = Literal["last", "all", "skip"]
MISSED_POLICIES: Final = ("last", "all", "skip")

#: At most so many missed ticks are made up for, the latest ones.
MISSED_CAP: Final = 100

#: A tick fired this late is late, not missed: `skip` still fires it.
GRACE_MS: Final = 60_000

#: The shortest interval of a schedule.
SHORTEST_INTERVAL_MS: Final = 1_000

_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_RANGES = ("0-59", "0-23", "1-31 or L", "1-12 or jan-dec", "0-7 or sun-sat")
_HOUR = 1
# Jenkins' H (by hash) and R (by chance): the first needs an id, the second would differ from worker to worker.
_NOT_FIXED = re.compile(r"(?:^|,)[hr](?:$|[/(,])", re.IGNORECASE)


class InvalidCron(UsageError, ValueError):
    """A cron expression, its zone or an interval can't be used."""

    default_remedy = (
        'Give five fields (minute, hour, day of month, month, day of week), for example "0 8 * * mon-fri", '
        'and a zone such as "Europe/Berlin".'
    )


class Timetable(Protocol):
    """Something that ticks."""

    def next_after(self, time_ms: int) -> int:
        """The first tick strictly later than a time."""
        ...

    def last_before(self, tick_ms: int) -> int | None:
        """The tick before a tick; None: that is the first."""
        ...


@dataclass(frozen=True, slots=True)
class CronTimetable:
    """The ticks of a cron expression in a zone. Made by `cron_timetable`, which checks both."""

    expression: str
    zone: ZoneInfo
    every_hour: bool

    def next_after(self, time_ms: int) -> int:
        """See `Timetable`."""
        start = datetime.fromtimestamp(time_ms // 1000, self.zone)
        ticks = croniter(self.expression, start)
        while True:
            tick = ticks.get_next(datetime)
            if self.every_hour or not _second_pass(tick):
                return round(tick.timestamp()) * 1000

    def last_before(self, tick_ms: int) -> int | None:
        """See `Timetable`."""
        ticks = croniter(self.expression, datetime.fromtimestamp(tick_ms // 1000, self.zone))
        while True:
            tick = ticks.get_prev(datetime)
            if self.every_hour or not _second_pass(tick):
                return round(tick.timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class IntervalTimetable:
    """Ticks at a fixed interval, counted from an anchor."""

    every_ms: int
    anchor_ms: int

    def next_after(self, time_ms: int) -> int:
        """See `Timetable`."""
        passed = (time_ms - self.anchor_ms) // self.every_ms
        return self.anchor_ms + max(passed + 1, 1) * self.every_ms

    def last_before(self, tick_ms: int) -> int | None:
        """See `Timetable`."""
        return tick_ms - self.every_ms if tick_ms - self.every_ms > self.anchor_ms else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What to do about an entry whose tick has come."""

    fire: tuple[int, ...]  # ticks to fire, ms, oldest first
    next: int  # the tick to wait for then, ms
    skipped: bool  # whether older ticks are passed over


@lru_cache(maxsize=10_000)
def cron_timetable(expression: str, zone: str = "UTC") -> CronTimetable:
    """Check and compile a cron expression: five fields, or @hourly, @daily, @weekly, @monthly, @yearly.

    Raises:
        InvalidCron: names the field that is wrong, or the zone.
    """
    if not isinstance(expression, str):
        raise InvalidCron(f"A cron expression is {expression!r} of type {type(expression).__name__}.")
    fields = expression.split()
    place = find_zone(zone)
    if not expression.startswith("@"):
        if len(fields) != len(_FIELDS):
            raise InvalidCron(f"The cron expression {expression!r} has {len(fields)} fields instead of five.")
        for position, field in enumerate(fields):
            _check_field(expression, position, field)
    try:
        hours = croniter.expand(expression)[0][_HOUR]
        timetable = CronTimetable(" ".join(fields), place, hours == ["*"] or len(hours) == 24)
        timetable.next_after(0)
    except CroniterError as error:
        if "failed to find next date" in str(error):
            raise InvalidCron(f"The cron expression {expression!r} never comes: no such day exists.") from error
        raise InvalidCron(f"The cron expression {expression!r} can't be read.") from error
    return timetable


def find_zone(name: str) -> ZoneInfo:
    """The IANA zone of a name.

    Raises:
        InvalidCron: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, TypeError, ValueError, OSError) as error:
        raise InvalidCron(
            f"There is no time zone {name!r}.",
            remedy='Give an IANA name such as "Europe/Berlin"; where the system has no zones: pip install tzdata.',
        ) from error


def interval_timetable(every_ms: int, anchor_ms: int) -> IntervalTimetable:
    """Ticks every so many milliseconds after an anchor.

    Raises:
        InvalidCron: the interval is shorter than a second.
    """
    if every_ms < SHORTEST_INTERVAL_MS:
        raise InvalidCron(f"An interval of {every_ms} ms is too short.", remedy="Give one of at least a second.")
    return IntervalTimetable(every_ms, anchor_ms)


def timetable_of(schedule: Schedule) -> Timetable:
    """When a schedule ticks."""
    if schedule.cron is not None:
        return cron_timetable(schedule.cron, schedule.tz)
    return interval_timetable(schedule.every_ms, schedule.anchor_ms)


def due_ticks(timetable: Timetable, tick_ms: int, now_ms: int, policy: MissedPolicy = "last") -> Due:
    """What to fire when an entry that waited for `tick_ms` is looked at now.

    Ticks from `tick_ms` up to now have come. `last` fires the latest of them, `all` fires them all, oldest first,
    but only the latest `MISSED_CAP`; `skip` fires the latest, if it came within `GRACE_MS`.
    """
    if now_ms < tick_ms:
        return Due(fire=(), next=tick_ms, skipped=False)
    wanted = MISSED_CAP if policy == "all" else 1
    ticks, skipped = _latest(timetable, tick_ms, now_ms, wanted)
    if policy == "skip" and now_ms - ticks[-1] > GRACE_MS:
        ticks, skipped = (), True
    return Due(fire=ticks, next=timetable.next_after(now_ms), skipped=skipped)


def _latest(timetable: Timetable, first_ms: int, now_ms: int, wanted: int) -> tuple[tuple[int, ...], bool]:
    """The latest ticks from `first_ms` (a tick) to now, and whether there were more of them.

    Looks back over windows of doubling length instead of walking from the first tick: after a year of standing still an
    expression that ticks each minute would have half a million.
    """
    window = 3_600_000
    while True:
        start = max(now_ms - window, first_ms - 1)
        ticks = tuple(_between(timetable, start, now_ms))
        whole = start == first_ms - 1
        if whole or len(ticks) > wanted:
            # The entry's own tick counts even if the expression has changed since it was computed.
            ticks = ticks or (first_ms,)
            return ticks[-wanted:], len(ticks) > wanted
        window *= 2


def _between(timetable: Timetable, after_ms: int, until_ms: int) -> Iterator[int]:
    tick = timetable.next_after(after_ms)
    while tick <= until_ms:
        yield tick
        tick = timetable.next_after(tick)


def _second_pass(tick: datetime) -> bool:
    """Whether a tick lies in an hour that the zone goes through for the second time."""
    if tick.fold == 0:
        return False
    # Some libraries set `fold` on times that are not ambiguous at all; the offsets tell.
    return tick.replace(fold=0).utcoffset() != tick.utcoffset()


def _check_field(expression: str, position: int, field: str) -> None:
    alone = ["*"] * len(_FIELDS)
    alone[position] = field
    try:
        if _NOT_FIXED.search(field):
            raise CroniterError("H and R are not supported")
        croniter.expand(" ".join(alone))
    except (CroniterError, ValueError, TypeError) as error:
        raise InvalidCron(
            f"The {_FIELDS[position]} field {field!r} of the cron expression {expression!r} can't be read; "
            f"it takes {_RANGES[position]}, *, lists (1,2), ranges (1-5) and steps (*/5)."
        ) from error
