"""A worker in the test's own process, on the real server, whose time the test may move."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bgjobs import App, AsyncClient
from bgjobs.broker.model import RunState
from bgjobs.worker.logs import RunLog
from bgjobs.worker.metrics import WorkerMetrics
from bgjobs.worker.options import WorkerOptions
from bgjobs.worker.worker import Worker
from tests.waiting import until_async


@dataclass
class Live:
    """A running worker and a client of its namespace."""

    worker: Worker
    client: AsyncClient
    metrics: WorkerMetrics
    task: asyncio.Task[None]

    def advance(self, seconds: float) -> None:
        """Move the time that the scripts of this worker, and of its client, see."""
        self.set_offset(self.worker.offset_ms + round(seconds * 1000))

    def set_offset(self, milliseconds: int) -> None:
        """By how much that time differs from the server's."""
        self.worker.offset_ms = self.client._requests.offset_ms = milliseconds

    def set_time(self, moment: datetime) -> None:
        """Move that time to a moment. Where several workers live, move them one right after the other."""
        self.set_offset(offset_of(moment))

    async def looked(self) -> None:
        """Wait until the worker has looked for what is due, at the time that holds now."""
        for _ in range(2):  # the first call may have begun before
            before = time.monotonic()
            self.worker._incarnation.committer.poke()  # type: ignore[union-attr]
            await until_async(lambda since=before: self.worker.last_progress > since)

    async def state(self, run: str, wanted: RunState, *, timeout: float = 30.0) -> Any:
        """Wait until the run is in a state; its RunInfo."""

        async def there() -> Any:
            info = await self.client.run(run)
            return info if info.state == wanted else None

        return await until_async(there, timeout=timeout, what=f"run {run} is {wanted}")

    async def die(self) -> None:
        """End as a killed process does: nothing is handed back and nothing said; its lease runs out."""
        incarnation = self.worker._incarnation
        assert incarnation is not None
        self.worker._incarnation = None
        await incarnation.abandon()

    async def stop(self) -> None:
        self.worker.request_stop()
        await self.task


def offset_of(moment: datetime) -> int:
    """Milliseconds from now to a moment: the server has this machine's clock."""
    return round((moment.timestamp() - time.time()) * 1000)


@contextlib.asynccontextmanager
async def live(
    app: App, redis_url: str, namespace: str, *, offset_ms: int = 0, at: datetime | None = None, **options: Any
) -> AsyncIterator[Live]:
    """Run a worker for the app until the block ends; with its time moved from the start, if wanted."""
    metrics = WorkerMetrics()
    settings = {"target": "", "redis_url": redis_url, "namespace": namespace, "shutdown_timeout": 5.0, **options}
    worker = Worker(app, WorkerOptions(**settings), metrics=metrics, log=RunLog())
    worker.offset_ms = offset_ms if at is None else offset_of(at)
    await worker.start()
    task = asyncio.create_task(worker.run())
    async with AsyncClient(redis_url, namespace=namespace, app=app.id) as client:
        running = Live(worker, client, metrics, task)
        client._requests.offset_ms = worker.offset_ms
        try:
            yield running
        finally:
            await running.stop()
