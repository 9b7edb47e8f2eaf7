"""saq on Redis."""

import asyncio
from collections.abc import Sequence
from typing import Any

import uvloop
from saq import Queue

from bench.apps.producing import CONCURRENCY, FOR_EVER, LINGER, REDIS, Data
from bench.stamps import mark

uvloop.install()
queue = Queue.from_url(REDIS)


async def work(ctx: Any, *, data: Data) -> None:
    mark(data["i"])
    if LINGER:
        await asyncio.sleep(FOR_EVER)


settings = {"queue": queue, "functions": [work], "concurrency": CONCURRENCY}


class Producer:
    """It has no bulk send: many are enqueued at a time."""

    AT_A_TIME = 20  # the queue's own limit, max_concurrent_ops

    def __init__(self, spec: dict[str, Any]) -> None: ...

    async def open(self) -> None:
        await queue.connect()

    async def many(self, jobs: Sequence[Data]) -> None:
        for start in range(0, len(jobs), self.AT_A_TIME):
            await asyncio.gather(*[self.one(job) for job in jobs[start : start + self.AT_A_TIME]])

    async def one(self, job: Data) -> None:
        # ttl -1: no record is kept, which is faster than the default of 10 minutes.
        await queue.enqueue("work", data=job, ttl=-1)

    async def close(self) -> None:
        await queue.disconnect()
