"""huey on Redis lists."""

import time
from collections.abc import Sequence
from typing import Any

from huey import RedisHuey

from bench.apps.producing import FOR_EVER, LINGER, REDIS, Data
from bench.stamps import mark

huey = RedisHuey("bench", url=REDIS, results=False)


@huey.task()
def work(data: Data) -> None:
    mark(data["i"])
    if LINGER:
        time.sleep(FOR_EVER)


class Producer:
    """It has no bulk send: one task after the other."""

    def __init__(self, spec: dict[str, Any]) -> None: ...

    async def open(self) -> None:
        huey.storage.conn.ping()

    async def many(self, jobs: Sequence[Data]) -> None:
        for job in jobs:
            work(job)

    async def one(self, job: Data) -> None:
        work(job)

    async def close(self) -> None: ...
