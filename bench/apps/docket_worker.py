"""Starts a docket worker: its command line takes whole seconds for the check interval, its Python face any duration."""

import asyncio
from datetime import timedelta

import uvloop
from docket import Worker

from bench.apps.producing import CONCURRENCY, REDIS

if __name__ == "__main__":
    uvloop.install()
    asyncio.run(
        Worker.run(
            docket_name="bench",
            url=REDIS,
            concurrency=CONCURRENCY,
            minimum_check_interval=timedelta(milliseconds=5),
            tasks=["bench.apps.docket_app:tasks"],
        )
    )
