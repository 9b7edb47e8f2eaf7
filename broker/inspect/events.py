"""Events in the retained history of the stream, and delayed events; each with what it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgpack

from ..codec import decode
from ..conversation import Talk, reliably
from ..errors import EventNotFound, Undecodable
from ..ids import event_key, generated_at_ms, is_generated, run_id
from ..keys import Keys
from ..patience import Patience
from ..run_info import RunInfo, moment
from ..validation import page_size
from .apps import read_apps
from .dropped import read_told
from .runs import read_runs

LOOK_AT = 100_000  # entries that a search looks at
_PAGE = 200  # entries per exchange: their data travels along
#: How far a sender's clock may be behind or ahead of the server's for its events to be found by their generated ids.
_SKEW_MS = 120_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventInfo:
    """An event as it is stored."""

    id: str
    name: str
    data: Any
    time: datetime | None  # when the server accepted it; UTC
    stream_id: str | None  # None: a delayed event that waits for its time
    due: datetime | None = None  # of a delayed event
    key: str | None = None  # partition key


def list_events(
    keys: Keys, patience: Patience, *, name: str | None = None, limit: int = 100, before: str | None = None
) -> Talk[list[EventInfo]]:
    """A page of events, the newest first.

    Args:
        keys: the namespace's keys.
        patience: how long to wait for the server.
        name: only of this name; or of all names that begin with it, if it ends in ``*``.
        limit: length of the page, at most 1,000.
        before: stream id of the last event of the page before.
    """
    limit = page_size(limit)
    found: list[EventInfo] = []
    end = "+" if before is None else f"({before}"
    for _ in range(LOOK_AT // _PAGE):
        page = (yield from reliably(patience, ("XREVRANGE", keys.events, end, "-", "COUNT", _PAGE)))[0]
        for stream_id, flat in page:
            fields = _fields(flat)
            if name is None or _named(fields, name):
                found.append(parse_event(stream_id, fields))
            if len(found) >= limit:
                return found
        if len(page) < _PAGE:
            break
        end = f"({page[-1][0].decode()}"
    return found


def find_event(keys: Keys, patience: Patience, event_id: str, name: str | None = None) -> Talk[EventInfo]:
    """One event by its id.

    A generated id tells when to look; a supplied one is searched for from the newest event back, unless its name is
    given and it was ingested within a day.

    Raises:
        EventNotFound: it is not in the retained history, and not delayed.
    """
    if name is not None:
        delayed = yield from _delayed(keys, patience, event_id, name)
        if delayed is not None:
            return delayed
    ranges: list[tuple[str, ...]] = [("XREVRANGE", "+", "-")]
    if is_generated(event_id):
        made = generated_at_ms(event_id)
        # The sender's clock is nearly right as a rule: the event stands right after that moment.
        ranges = [("XRANGE", str(made - 1_000), str(made + _SKEW_MS)), ("XREVRANGE", str(made), str(made - _SKEW_MS))]
    for command, start, end in ranges:
        found = yield from _search(keys, patience, (command, start, end), event_id, name)
        if found is not None:
            if found.due is not None and name is None:
                return (yield from _delayed(keys, patience, event_id, found.name)) or found
            return found
    raise EventNotFound(f"There is no event {event_id!r} among those retained.")


def runs_of_event(keys: Keys, patience: Patience, event_id: str, name: str) -> Talk[list[RunInfo]]:
    """The runs that an event made, or went into, of all functions that are registered; not those of replays from the
    start. Where a policy dropped it, that is told."""
    apps = yield from read_apps(keys, patience)
    key = event_key(name, event_id)
    ids = [run_id(function, key) for app in apps for function in app.functions]
    found = yield from read_runs(keys, patience, ids)
    runs: dict[str, RunInfo] = {}
    for made, info in zip(ids, found, strict=True):
        # What a policy dropped or collected is known for an hour.
        run = info if info is not None else (yield from read_told(keys, patience, made))
        if run is not None:
            runs[run.id] = run
    return list(runs.values())


def parse_event(stream_id: bytes | None, fields: Mapping[bytes, bytes]) -> EventInfo:
    """An event from its stream entry; tolerates entries that ingest will refuse."""
    try:
        data = decode(fields.get(b"d", b"\xc0"))
    except Undecodable as error:
        data = f"({error.what})"
    due = fields.get(b"t", b"")
    return EventInfo(
        id=_text(fields.get(b"i") or stream_id or b""),
        name=_text(fields.get(b"n", b"")),
        data=data,
        time=None if stream_id is None else moment(stream_id.partition(b"-")[0]),
        stream_id=None if stream_id is None else stream_id.decode(),
        due=moment(due) if due.isdigit() else None,
        key=_text(fields[b"k"]) if b"k" in fields else None,
    )


def _delayed(keys: Keys, patience: Patience, event_id: str, name: str) -> Talk[EventInfo | None]:
    record = keys(f"fe:{event_key(name, event_id)}")
    state, packed, due = (yield from reliably(patience, ("HMGET", record, "state", "fields", "due")))[0]
    if state != b"waiting" or packed is None:
        return None
    fields = _fields(msgpack.unpackb(packed, raw=True))
    return parse_event(None, {**fields, b"t": due})


def _search(
    keys: Keys, patience: Patience, command: tuple[str, ...], event_id: str, name: str | None
) -> Talk[EventInfo | None]:
    verb, start, end = command
    wanted = event_id.encode()
    for _ in range(LOOK_AT // _PAGE):
        page = (yield from reliably(patience, (verb, keys.events, start, end, "COUNT", _PAGE)))[0]
        for stream_id, flat in page:
            fields = _fields(flat)
            if fields.get(b"i", stream_id) == wanted and (name is None or _named(fields, name)):
                return parse_event(stream_id, fields)
        if len(page) < _PAGE:
            return None
        start = f"({page[-1][0].decode()}"
    return None


def _named(fields: Mapping[bytes, bytes], name: str) -> bool:
    found = _text(fields.get(b"n", b""))
    return found.startswith(name[:-1]) if name.endswith("*") else found == name


def _fields(flat: Sequence[Any]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=False))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
