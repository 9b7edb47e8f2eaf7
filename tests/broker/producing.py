"""What the tests of the producers share: reading the stream as it is stored."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from bgjobs.broker.codec import decode
from bgjobs.broker.server import EmbeddedServer


def entries(url: str, namespace: str) -> list[dict[str, Any]]:
    """The events of a namespace in the order of the stream; fields as text, data decoded."""
    client = redis.Redis.from_url(url)
    found: list[Any] = client.xrange(f"bgjobs:{{{namespace}:00}}:ev")  # type: ignore[assignment]
    client.close()
    events = []
    for stream_id, fields in found:
        event = {name.decode(): value for name, value in fields.items()}
        data = decode(event.pop("d"))
        events.append({"at": stream_id.decode(), **{k: v.decode() for k, v in event.items()}, "d": data})
    return events


@contextmanager
def frozen(server: EmbeddedServer) -> Iterator[None]:
    """A server that accepts connections and never answers, as one whose machine swaps or whose process is stopped."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)
