"""taskiq on Redis streams, the broker of taskiq-redis that acknowledges."""

import asyncio
from collections.abc import Sequence
from typing import Any

from taskiq_redis import RedisStreamBroker

from bench.apps.producing import FOR_EVER, LINGER, REDIS, Data
from bench.stamps import mark

# "0" instead of "$": what was sent before the first worker started counts, too.
broker = RedisStreamBroker(REDIS, consumer_id="0")


@broker.task
async def work(data: Data) -> None:
    mark(data["i"])
    if LINGER:
        await asyncio.sleep(FOR_EVER)


class Producer:
    """It has no bulk send: many are sent at a time, each on a connection of the pool."""

    AT_A_TIME = 20

    def __init__(self, spec: dict[str, Any]) -> None: ...

    async def open(self) -> None:
        await broker.startup()

    async def many(self, jobs: Sequence[Data]) -> None:
        for start in range(0, len(jobs), self.AT_A_TIME):
            await asyncio.gather(*[work.kiq(job) for job in jobs[start : start + self.AT_A_TIME]])

    async def one(self, job: Data) -> None:
        await work.kiq(job)

    async def close(self) -> None:
        await broker.shutdown()
