"""Plain events take a path of their own: what it leaves behind is what the general path leaves behind."""

import random
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgpack
import pytest

from bgjobs.broker import ids
from bgjobs.broker.broker import Broker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.model import IngestEvent, IngestReply
from tests.broker.driver import Driver, Function

FUNCTIONS = (
    Function(id="f", names=("go",)),
    Function(id="elsewhere", names=("away",), queue="other"),
    Function(id="two", names=("both",)),
    Function(id="too", names=("both",)),
    Function(id="limited", names=("slow",), limiters="limited.1", limits={"limited": 2}),
)
NAMES = ("go", "go", "go", "away", "both", "slow", "unheard")
QUEUES = ("shop:default", "shop:other")
TIMES = re.compile(rb"1[6-9]\d{11,14}")  # now, in ms or us; the scores of the events below are small


@pytest.fixture
async def pair(redis_url: str, namespace: str) -> AsyncIterator[tuple[Driver, Driver]]:
    """Two namespaces in the same state; the second is to take the general path."""
    brokers = [Broker(Endpoint(redis_url), f"{namespace}{which}") for which in "ab"]
    drivers = Driver(brokers[0]), Driver(brokers[1])
    for driver in drivers:
        await driver.broker.load()
        await driver.register(*FUNCTIONS)
        await driver.enlist("w1")
    yield drivers
    for broker in brokers:
        await broker.aclose()


def _entries(
    dice: random.Random, names: Sequence[str], generated: float, number: int, first: int
) -> list[tuple[str, dict[bytes, bytes]]]:
    """Entries of a stream: some twice, some large, with ids of either kind."""
    made: list[dict[bytes, bytes]] = []
    for place in range(number):
        if made and dice.random() < 0.05:
            made.append(dice.choice(made))
            continue
        fields = {b"n": dice.choice(names).encode(), b"i": f"e{first + place}".encode()}
        if dice.random() < generated:
            fields |= {b"i": ids.new_event_id().encode(), b"g": b"1"}
        made.append(fields | {b"d": msgpack.packb("x" * dice.choice((0, 10, 200)))})
    return [(f"{1000 + first + place}-{dice.randrange(3)}", fields) for place, fields in enumerate(made)]


async def _ingest(driver: Driver, entries: list[tuple[str, dict[bytes, bytes]]], **options: Any) -> IngestReply:
    for stream_id, fields in entries:
        await driver.raw.xadd(driver.keys.events, {**fields}, id=stream_id)
    return await driver.ingest_once(await driver.read(), **options)


def _without_times(value: Any) -> Any:
    match value:
        case bytes():
            return TIMES.sub(b"<now>", value)
        case float():
            return "<now>" if value > 1e12 else value
        case dict():
            return {_without_times(name): _without_times(each) for name, each in value.items()}
        case list() | tuple() | set():
            return sorted((_without_times(each) for each in value), key=repr)
        case _:
            return value


async def _same(pair: tuple[Driver, Driver]) -> None:
    one, other = [await driver.stored() for driver in pair]
    for stored in (one, other):
        stored.pop("ev")
    assert one.keys() == other.keys()
    for name in one:
        assert _without_times(one[name]) == _without_times(other[name]), name


@pytest.mark.parametrize("seed", range(8))
async def test_both_paths_leave_the_same_behind(
    pair: tuple[Driver, Driver], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """R2, R15, R17: records, queues, claims, leases, payloads, duplicates."""
    dice = random.Random(seed)
    plain = IngestEvent.plain
    last = 0
    again = _entries(dice, ("go",), 0.0, 1, 0)[0][1]
    for round_ in range(4):
        number = dice.choice((1, 5, 40))
        # Room for some only: of several groups none are leased at once.
        names, generated, capacity = dice.choice(
            ((NAMES, 0.6, 0), (NAMES, 0.6, 100), (("go",), 0.0, 3), (("go",), 1.0, 3))
        )
        entries = _entries(dice, names, generated, number, last)
        if round_ and dice.random() < 0.5:
            entries.append((f"{1000 + last + number}-0", again))  # of the round before
        again = entries[0][1]
        last += number + 1
        pair[0].inline_max = pair[1].inline_max = dice.choice((0, 64, 1024))
        monkeypatch.setattr(IngestEvent, "plain", plain)
        first = await _ingest(pair[0], entries, capacity=capacity, queues=QUEUES)
        monkeypatch.setattr(IngestEvent, "plain", None)
        second = await _ingest(pair[1], entries, capacity=capacity, queues=QUEUES)
        assert (first.created, first.duplicates, first.more) == (second.created, second.duplicates, second.more)
        assert len(first.leased) == len(second.leased)
        await _same(pair)
