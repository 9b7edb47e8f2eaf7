"""The events of a batch, as `lua/lib/batches.lua` keeps them."""

from __future__ import annotations

from collections.abc import Sequence

import msgpack

from .connection import AsyncRedis
from .keys import Keys
from .model import BatchedEvent, LeasedRun

_PAGE = 50  # events per exchange


async def read_batch(client: AsyncRedis, keys: Keys, run: LeasedRun) -> None:
    """Read the events of a leased run; the first of them, by the stream's order, becomes its event (R50)."""
    found: list[BatchedEvent] = []
    while page := await client.lrange(keys(f"b:{run.id}"), len(found), len(found) + _PAGE - 1):
        entries = [msgpack.unpackb(packed, raw=True) for packed in page]
        shared = [entry[6].decode() for entry in entries if entry[5] == b"e"]
        async with client.pipeline(transaction=False) as pipe:
            for event in shared:
                pipe.hget(keys(f"e:{event}"), "d")
            data = dict(zip(shared, await pipe.execute() if shared else [], strict=True))
        found += [_event(entry, data.get(entry[6].decode()) if entry[5] == b"e" else entry[6]) for entry in entries]
    if not found:
        return
    found.sort(key=lambda event: _position(event.stream_id))
    first = found[0]
    run.events = tuple(found)
    run.event_name, run.event_id, run.data, run.partition = first.name, first.id, first.data, first.partition


def _event(entry: Sequence[bytes], data: bytes | None) -> BatchedEvent:
    stream_id, name, event_id, time_ms, partition = (word.decode() for word in entry[:5])
    return BatchedEvent(
        stream_id=stream_id,
        name=name,
        id=event_id,
        time_ms=int(float(time_ms)),
        partition=partition,
        data=data or b"",
    )


def _position(stream_id: str) -> tuple[int, int]:
    ms, _, sequence = stream_id.partition("-")
    return int(ms), int(sequence or 0)
