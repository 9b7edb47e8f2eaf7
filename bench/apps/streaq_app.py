"""streaq on Redis streams, without results."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from streaq import Worker

from bench.apps.producing import CONCURRENCY, FOR_EVER, LINGER, REDIS, Data
from bench.stamps import mark

# Its default of 16 was a little slower here.
worker: Any = Worker(redis_url=REDIS, concurrency=CONCURRENCY, anyio_kwargs={"use_uvloop": True})


@worker.task(ttl=0, silent=True)
async def work(data: Data) -> None:
    mark(data["i"])
    if LINGER:
        await asyncio.sleep(FOR_EVER)


class Producer:
    """`enqueue_many` for batches."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._open = AsyncExitStack()

    async def open(self) -> None:
        await self._open.enter_async_context(worker)
        await worker.redis.ping()

    async def many(self, jobs: Sequence[Data]) -> None:
        await worker.enqueue_many([work.enqueue(job) for job in jobs])

    async def one(self, job: Data) -> None:
        await work.enqueue(job)

    async def close(self) -> None:
        await self._open.aclose()
