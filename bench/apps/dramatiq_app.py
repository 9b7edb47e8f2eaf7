"""Dramatiq on its Redis broker."""

import time
from collections.abc import Sequence
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.apps.producing import FOR_EVER, LINGER, REDIS, Data
from bench.stamps import mark

broker = RedisBroker(url=REDIS)
dramatiq.set_broker(broker)


@dramatiq.actor
def work(data: Data) -> None:
    mark(data["i"])
    if LINGER:
        time.sleep(FOR_EVER)


class Producer:
    """It has no bulk send: one message after the other."""

    def __init__(self, spec: dict[str, Any]) -> None: ...

    async def open(self) -> None:
        broker.client.ping()

    async def many(self, jobs: Sequence[Data]) -> None:
        for job in jobs:
            work.send(job)

    async def one(self, job: Data) -> None:
        work.send(job)

    async def close(self) -> None: ...
