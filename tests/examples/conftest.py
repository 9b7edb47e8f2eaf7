"""The shop with a worker inside the test's own process, on a real server, whose time can be moved."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bgjobs import AsyncClient, RunInfo, RunState, StepInfo
from examples.shop.jobs import app
from tests.waiting import until_async
from tests.worker.live import Live, live


class Shop:
    """One worker, one client, and the hands of the clock."""

    def __init__(self, running: Live) -> None:
        self._running = running
        self.client: AsyncClient = running.client

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """Let so much time pass at once."""
        self._running.advance(days * 86400 + hours * 3600 + seconds)

    async def set_time(self, moment: datetime) -> None:
        """Make it that time."""
        self.advance(seconds=(moment - await self.now()).total_seconds())

    async def now(self) -> datetime:
        """The server's time, moved."""
        return datetime.fromtimestamp(await self._running.worker.broker.now_ms() / 1000, UTC)

    async def run(self, run: str, wanted: RunState) -> RunInfo:
        """The run, when it has come to that state."""
        found: RunInfo = await self._running.state(run, wanted)
        return found

    async def step(self, run: str, key: str, wanted: str) -> StepInfo:
        """The step, when it has come to that state."""

        async def there() -> StepInfo | None:
            steps = await self.client.steps(run)
            return next((step for step in steps if step.key == key and step.state == wanted), None)

        found = await until_async(there, what=f"step {key} of run {run} is {wanted}")
        assert found is not None
        return found


@pytest.fixture
async def shop(redis_url: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """The shop, open, in a world of its own."""
    monkeypatch.setenv("SHOP_JOURNAL", str(tmp_path / "shop.sqlite"))
    async with live(app, redis_url, namespace) as running:
        yield Shop(running)
