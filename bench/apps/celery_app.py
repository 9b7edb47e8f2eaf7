"""Celery on Redis, without results."""

import time
from collections.abc import Sequence
from typing import Any

from celery import Celery

from bench.apps.producing import FOR_EVER, LINGER, REDIS, Data
from bench.stamps import mark

app = Celery("bench", broker=REDIS)
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=64, worker_hijack_root_logger=False)


@app.task(name="work")
def work(data: Data) -> None:
    mark(data["i"])
    if LINGER:
        time.sleep(FOR_EVER)


class Producer:
    """It has no bulk send: one message after the other, all through one producer of the pool."""

    def __init__(self, spec: dict[str, Any]) -> None: ...

    async def open(self) -> None:
        app.connection_for_write().ensure_connection()

    async def many(self, jobs: Sequence[Data]) -> None:
        with app.producer_pool.acquire(block=True) as producer:
            for job in jobs:
                work.apply_async((job,), producer=producer)

    async def one(self, job: Data) -> None:
        work.delay(job)

    async def close(self) -> None: ...
