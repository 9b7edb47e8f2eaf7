"""What happens between two looks at a delayed event."""

from typing import Any

from bgjobs import AsyncClient
from bgjobs.broker.conversation import Ask, AsyncWire, talk_async
from bgjobs.broker.delayed import cancel_event
from bgjobs.broker.wire import LoopWire
from tests.broker.driver import Driver, Function


class IngestingWire:
    """Has the event ingested right after the first script did not find it."""

    def __init__(self, wire: AsyncWire, driver: Driver) -> None:
        self._wire = wire
        self._driver = driver
        self.missed = 0

    async def exchange(self, ask: Ask) -> list[Any]:
        replies = await self._wire.exchange(ask)
        if replies == [b"missing"]:
            self.missed += 1
            if self.missed == 1:
                await self._driver.ingest()
        return replies


async def test_an_event_that_is_ingested_while_it_is_cancelled(driver: Driver, redis_url: str, namespace: str) -> None:
    """R51: it is cancelled all the same, although it could not be found at first."""
    await driver.register(Function(id="f", names=("later",)))
    wire = LoopWire(driver.broker.endpoint)
    watching = IngestingWire(wire, driver)
    try:
        async with AsyncClient(redis_url, namespace=namespace) as client:
            event = (await client.send("later", delay="2 days")).event_id
            assert await talk_async(cancel_event(client._requests, event, "later"), watching) is True
            assert await client.cancel_event(event, name="later") is False
    finally:
        await wire.aclose()
    assert watching.missed == 1
