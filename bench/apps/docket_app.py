"""docket (pydocket)."""

import asyncio
from collections.abc import Sequence
from typing import Any

from docket import Docket

from bench.apps.producing import FOR_EVER, LINGER, REDIS, Data
from bench.stamps import mark


async def work(data: Data) -> None:
    mark(data["i"])
    if LINGER:
        await asyncio.sleep(FOR_EVER)


tasks = [work]


class Producer:
    """`add_many` for batches."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._docket = Docket(name="bench", url=REDIS)

    async def open(self) -> None:
        await self._docket.__aenter__()
        self._docket.register(work)

    async def many(self, jobs: Sequence[Data]) -> None:
        await self._docket.add_many([self._docket.call(work)(job) for job in jobs])

    async def one(self, job: Data) -> None:
        await self._docket.add(work)(job)

    async def close(self) -> None:
        await self._docket.__aexit__(None, None, None)
