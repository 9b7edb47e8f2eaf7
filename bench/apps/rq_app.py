"""RQ with its SimpleWorker, which does not fork per job."""

import time
from collections.abc import Sequence
from typing import Any

from redis import Redis
from rq import Queue

from bench.apps.producing import FOR_EVER, LINGER, REDIS, Data
from bench.stamps import mark


def work(data: Data) -> None:
    mark(data["i"])
    if LINGER:
        time.sleep(FOR_EVER)


class Producer:
    """`enqueue_many` for batches."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._queue = Queue("bench", connection=Redis.from_url(REDIS))

    async def open(self) -> None:
        self._queue.connection.ping()

    async def many(self, jobs: Sequence[Data]) -> None:
        self._queue.enqueue_many([Queue.prepare_data(work, (job,), result_ttl=0, timeout=7200) for job in jobs])

    async def one(self, job: Data) -> None:
        self._queue.enqueue(work, job, result_ttl=0, job_timeout=7200)

    async def close(self) -> None: ...
