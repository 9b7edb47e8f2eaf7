"""Bare redis-py: an XADD of the same bytes, the least that a sender of events can do."""

from collections.abc import Sequence
from typing import Any

import msgpack
import redis

from bench.apps.producing import REDIS, Data
from bgjobs.broker.ids import new_event_id

STREAM = "bgjobs:{default:00}:ev"


class Producer:
    """Sends what bgjobs sends, by one client, without checking anything."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._client: Any = redis.Redis.from_url(REDIS)
        self._id = new_event_id()

    async def open(self) -> None:
        self._client.ping()

    def _command(self, job: Data) -> tuple[Any, ...]:
        return ("XADD", STREAM, "*", "n", "noop", "i", self._id, "g", "1", "d", msgpack.packb(job))

    async def many(self, jobs: Sequence[Data]) -> None:
        pipe = self._client.pipeline(transaction=False)
        for job in jobs:
            pipe.execute_command(*self._command(job))
        pipe.execute()

    async def one(self, job: Data) -> None:
        self._client.execute_command(*self._command(job))

    async def close(self) -> None:
        self._client.close()
