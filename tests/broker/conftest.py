"""Fixtures for what runs on the transitions themselves."""

from collections.abc import AsyncIterator

import pytest

from bgjobs.broker.broker import Broker
from bgjobs.broker.connection import Endpoint
from tests.broker.driver import Driver, Function
from tests.broker.key_table import unknown_keys


@pytest.fixture
async def broker(redis_url: str, namespace: str) -> AsyncIterator[Broker]:
    """A broker of a namespace of its own. Whatever the test left there must be rows of the key table (R49)."""
    broker = Broker(Endpoint(redis_url), namespace)
    await broker.load()
    yield broker
    unknown = await unknown_keys(broker)
    await broker.aclose()
    assert not unknown


@pytest.fixture
async def driver(broker: Broker) -> Driver:
    """The app `shop` with the function `f` on the event `go`, and the workers `w1` and `w2`."""
    driver = Driver(broker)
    await driver.register(Function(id="f"))
    await driver.enlist("w1", "w2")
    return driver
