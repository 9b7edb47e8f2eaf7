"""The event stream as it grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..conversation import Ask, ExchangeFailed, Pause, Talk, pack, reliably
from ..keys import Keys
from ..patience import Patience
from ..run_info import moment
from .payloads import decoded

AT_ONCE = 200


def read_last(keys: Keys, patience: Patience, count: int) -> Talk[tuple[list[dict[str, Any]], str]]:
    """The newest `count` events, oldest first, and the stream id to go on after."""
    (entries,) = yield from reliably(patience, ("XREVRANGE", keys.events, "+", "-", "COUNT", max(1, count)))
    after = entries[0][0].decode() if entries else "0-0"
    return [_event(*entry) for entry in reversed(entries[:count])], after


def read_new(
    keys: Keys, patience: Patience, after: str, *, block_seconds: float
) -> Talk[tuple[list[dict[str, Any]], str]]:
    """What came after a stream id; waits for it up to `block_seconds`, which must be less than the patience."""
    command = ("XREAD", "COUNT", AT_ONCE, "BLOCK", int(block_seconds * 1000), "STREAMS", keys.events, after)
    while True:
        try:
            (reply,) = yield Ask(pack([command]), 1, patience.remaining, apart=True)
        except ExchangeFailed as failed:
            yield Pause(patience.pause_after(failed.cause, sent=failed.sent))
            continue
        if isinstance(reply, Exception):
            yield Pause(patience.pause_after(reply, sent=True))
            continue
        entries: Sequence[Any] = reply[0][1] if reply else []
        return [_event(*entry) for entry in entries], entries[-1][0].decode() if entries else after


def _event(stream_id: bytes, flat: Sequence[bytes]) -> dict[str, Any]:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    due = fields.get(b"t")
    return {
        "id": fields.get(b"i", b"").decode("utf-8", "replace"),
        "name": fields.get(b"n", b"").decode("utf-8", "replace"),
        "data": decoded(fields.get(b"d")),
        "time": moment(stream_id.partition(b"-")[0]),
        "stream_id": stream_id.decode(),
        "due": moment(due) if due and due.isdigit() else None,
        "key": fields[b"k"].decode("utf-8", "replace") if b"k" in fields else None,
    }
