"""The data of events as runs hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack

from ..codec import decode
from ..conversation import Talk, reliably
from ..errors import Undecodable
from ..keys import Keys
from ..patience import Patience

_PAGE = 50  # runs per exchange: up to 512 KiB each


def read_payload(keys: Keys, patience: Patience, run: str) -> Talk[bytes | None]:
    """The encoded data of a run's event; None if it is gone."""
    found = yield from read_payloads(keys, patience, [run])
    return found[0]


def read_payloads(keys: Keys, patience: Patience, runs: Sequence[str]) -> Talk[list[bytes | None]]:
    """The encoded data of many runs' events, in the order of the runs."""
    found: list[bytes | None] = []
    for start in range(0, len(runs), _PAGE):
        page = runs[start : start + _PAGE]
        places = yield from reliably(patience, *(("HMGET", keys.run(run), "d", "e") for run in page))
        shared = [event for inside, event in places if inside is None and event is not None]
        kept = (
            (yield from reliably(patience, *(("HGET", keys(f"e:{event.decode()}"), "d") for event in shared)))
            if shared
            else []
        )
        by_event = dict(zip(shared, kept, strict=True))
        for run, (inside, event) in zip(page, places, strict=True):
            if inside or event:
                found.append(inside or by_event.get(event))
            else:
                found.append((yield from _batch(keys, patience, run)))
    return found


def _batch(keys: Keys, patience: Patience, run: str) -> Talk[bytes | None]:
    """The data of a batch's events as one list; None if the run has none."""
    entries = (yield from reliably(patience, ("LRANGE", keys(f"b:{run}"), 0, -1)))[0]
    parts: list[bytes] = []
    for packed in entries:
        *_, place, kept = msgpack.unpackb(packed, raw=True)
        if place == b"e":
            kept = (yield from reliably(patience, ("HGET", keys(f"e:{kept.decode()}"), "d")))[0]
        parts.append(kept or b"\xc0")
    return msgpack.Packer().pack_array_header(len(parts)) + b"".join(parts) if parts else None


def decoded(data: bytes | None) -> Any:
    """The data as a value; a note in parentheses if it can't be decoded."""
    if data is None:
        return None
    try:
        return decode(data)
    except Undecodable as error:
        return f"({error.what})"


def read_events_of_runs(keys: Keys, patience: Patience, runs: Sequence[str]) -> Talk[list[dict[str, Any]]]:
    """The events of runs, as filters and limiters look at them: id, name, data, key."""
    if not runs:
        return []
    records = yield from reliably(patience, *(("HMGET", keys.run(run), "i", "n", "pk") for run in runs))
    payloads = yield from read_payloads(keys, patience, runs)
    return [
        {"id": _text(event), "name": _text(name), "data": decoded(data), "key": None if key is None else _text(key)}
        for (event, name, key), data in zip(records, payloads, strict=True)
    ]


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")
