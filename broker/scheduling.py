"""Dynamic schedules: an event at the ticks of a cron expression or at an interval, made and changed at run time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from . import validation
from .codec import decode, encode
from .conversation import Talk, reliably
from .durations import Duration, milliseconds
from .errors import ScheduleNotFound, UsageError
from .event import TypedEvent
from .patience import Patience
from .receipt import Receipt
from .requests import Requests
from .run_info import moment
from .schedule import Schedule
from .transitions import schedule as put

Missed = Literal["last", "all", "skip"]
_MISSED: Final = ("last", "all", "skip")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """A schedule as it is stored."""

    id: str
    event: str  # name
    data: Any
    cron: str | None
    every: float | None  # seconds
    tz: str
    missed: str
    paused: bool
    next: datetime | None  # None: paused, or a worker has yet to compute it
    last: datetime | None = None  # the latest tick, for intervals


def create(
    requests: Requests,
    id: str,
    *,
    cron: str | None,
    every: Duration | None,
    event: TypedEvent | str,
    data: Any,
    tz: str,
    missed: Missed,
) -> Talk[ScheduleInfo]:
    """Make a schedule, or replace the one of this id.

    Raises:
        UsageError: not exactly one of `cron` and `every`, or one that can't be read.
        InvalidEvent: the event is not acceptable.
    """
    validation.event_id(id)
    if (cron is None) == (every is None):
        raise UsageError("A schedule needs one of cron= and every=.", remedy="Give exactly one of them.")
    if missed not in _MISSED:
        raise UsageError(f"missed={missed!r} is unknown.", remedy=f"Use one of {', '.join(_MISSED)}.")
    every_ms = 0 if every is None else milliseconds(every, what="every")
    _check_ticks(cron, every_ms, tz)
    if isinstance(event, str):
        name = event
    else:
        name, data = event.event_name, event.event_data() if data is None else data
    validation.event_name(name)
    packed = encode(data, "data")
    validation.data_size(name, packed)
    made = Schedule(id=id, event=name, data=packed, cron=cron, every_ms=every_ms, tz=tz, missed=missed)
    return _store(requests, made)


def _store(requests: Requests, schedule: Schedule) -> Talk[ScheduleInfo]:
    """Write a schedule with its first look: a tick at which a worker computes the first real one."""
    patience = requests.patience()
    yield from requests.producer.prepare(patience)
    if schedule.paused:
        schedule, now = replace(schedule, first_look_ms=0), 0
    else:
        now = yield from _now_ms(requests, patience)
        anchor = (schedule.anchor_ms or now) if schedule.every_ms else 0
        schedule = replace(schedule, first_look_ms=now, anchor_ms=anchor)
    body = schedule.pack()
    if (yield from requests.do(put(schedule.id, body, next_ms=now, create=True), patience)) == "exists":
        yield from requests.do(put(schedule.id, body, next_ms=now), patience)
    return _info(schedule, str(now).encode() if now else None)


def read_schedule(requests: Requests, id: str) -> Talk[ScheduleInfo]:
    """One schedule. Raises ScheduleNotFound."""
    schedule, tick = yield from _read(requests, id)
    return _info(schedule, tick)


def list_schedules(requests: Requests) -> Talk[list[ScheduleInfo]]:
    """All schedules, by id."""
    keys = requests.keys
    flat = (yield from reliably(requests.patience(), ("HGETALL", keys("sc"))))[0]
    if not flat:
        return []
    stored = [Schedule.unpack(name.decode(), body) for name, body in zip(flat[::2], flat[1::2], strict=True)]
    ticks = yield from reliably(requests.patience(), *[("ZSCORE", keys("cr"), f"$|{each.id}") for each in stored])
    return sorted(
        (_info(schedule, tick) for schedule, tick in zip(stored, ticks, strict=True)), key=lambda info: info.id
    )


def change(requests: Requests, id: str, *, paused: bool) -> Talk[bool]:
    """Pause or resume; False if it was so already. Raises ScheduleNotFound."""
    schedule, _ = yield from _read(requests, id)
    if schedule.paused is paused:
        return False
    yield from _store(requests, replace(schedule, paused=paused))
    return True


def run_now(requests: Requests, id: str) -> Talk[Receipt]:
    """Send the schedule's event now, besides its ticks. Raises ScheduleNotFound."""
    schedule, _ = yield from _read(requests, id)
    event = requests.outgoing(schedule.event, decode(schedule.data))
    return (yield from requests.send(event, None))


def delete(requests: Requests, id: str) -> Talk[bool]:
    """Delete; False if there was none."""
    answer = yield from requests.do(put(id, b""))
    return answer == "OK"


def _read(requests: Requests, id: str) -> Talk[tuple[Schedule, bytes | None]]:
    body, tick = yield from reliably(
        requests.patience(), ("HGET", requests.keys("sc"), id), ("ZSCORE", requests.keys("cr"), f"$|{id}")
    )
    if body is None:
        raise ScheduleNotFound(f"There is no schedule {id!r}.")
    return Schedule.unpack(id, body), tick


def _info(schedule: Schedule, tick: bytes | None) -> ScheduleInfo:
    following, last = _ticks(schedule, tick)
    return ScheduleInfo(
        id=schedule.id,
        event=schedule.event,
        data=decode(schedule.data),
        cron=schedule.cron,
        every=schedule.every_ms / 1000 if schedule.every_ms else None,
        tz=schedule.tz,
        missed=schedule.missed,
        paused=schedule.paused,
        next=moment(following),
        last=moment(last),
    )


def _ticks(schedule: Schedule, tick: bytes | None) -> tuple[int | None, int | None]:
    """The next tick and the one before it, in ms. Until a worker has computed the first, that is computed here."""
    if tick is None:
        return None, None
    from .timetable import timetable_of  # web code that only sends does not need croniter

    timetable = timetable_of(schedule)
    following = int(float(tick))
    if following == schedule.first_look_ms:
        return timetable.next_after(following), None
    last = timetable.last_before(following)
    return following, last if last is not None and last > schedule.first_look_ms else None


def _now_ms(requests: Requests, patience: Patience) -> Talk[int]:
    seconds, micros = (yield from reliably(patience, ("TIME",)))[0]
    return int(seconds) * 1000 + int(micros) // 1000 + requests.producer.offset_ms


def _check_ticks(cron: str | None, every_ms: int, zone: str) -> None:
    from .timetable import (
        cron_timetable,
        find_zone,
        interval_timetable,
    )  # web code that only sends does not need croniter

    if cron is None:
        find_zone(zone)
        interval_timetable(every_ms, 0)
    else:
        cron_timetable(cron, zone)
