"""arq."""

import asyncio
from collections.abc import Sequence
from typing import Any

import uvloop
from arq import create_pool
from arq.connections import RedisSettings

from bench.apps.producing import CONCURRENCY, FOR_EVER, LINGER, REDIS, Data
from bench.stamps import mark

uvloop.install()


async def work(ctx: Any, data: Data) -> None:
    mark(data["i"])
    if LINGER:
        await asyncio.sleep(FOR_EVER)


class WorkerSettings:
    functions = (work,)
    redis_settings = RedisSettings.from_dsn(REDIS)
    max_jobs = CONCURRENCY
    poll_delay = 0.01
    keep_result = 0


class Producer:
    """It has no bulk send: many are enqueued at a time."""

    AT_A_TIME = 20

    def __init__(self, spec: dict[str, Any]) -> None: ...

    async def open(self) -> None:
        self._pool = await create_pool(WorkerSettings.redis_settings)

    async def many(self, jobs: Sequence[Data]) -> None:
        for start in range(0, len(jobs), self.AT_A_TIME):
            await asyncio.gather(*[self.one(job) for job in jobs[start : start + self.AT_A_TIME]])

    async def one(self, job: Data) -> None:
        await self._pool.enqueue_job("work", job)

    async def close(self) -> None:
        await self._pool.aclose()
