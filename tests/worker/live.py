"""A worker in the test's own process, on the real server, whose time the test may move."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
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
        """Move the time that this worker's scripts see."""
        self.worker.offset_ms += round(seconds * 1000)

    async def state(self, run: str, wanted: RunState, *, timeout: float = 10.0) -> Any:
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


@contextlib.asynccontextmanager
async def live(app: App, redis_url: str, namespace: str, **options: Any) -> AsyncIterator[Live]:
    """Run a worker for the app until the block ends."""
    metrics = WorkerMetrics()
    settings = {"target": "", "redis_url": redis_url, "namespace": namespace, "shutdown_timeout": 5.0, **options}
    worker = Worker(app, WorkerOptions(**settings), metrics=metrics, log=RunLog())
    await worker.start()
    task = asyncio.create_task(worker.run())
    async with AsyncClient(redis_url, namespace=namespace, app=app.id) as client:
        running = Live(worker, client, metrics, task)
        try:
            yield running
        finally:
            await running.stop()
