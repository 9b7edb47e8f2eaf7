"""Plain events take a path of their own: what it leaves behind is what the general path leaves behind."""

import random
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgpack
import pytest

from bgjobs.broker import ids, operations
from bgjobs.broker.broker import Broker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.model import IngestEvent, IngestReply, PendKind, RunState
from bgjobs.broker.transitions import cancel
from tests.broker.driver import Driver, Function
from tests.worker.executing import run_of

FUNCTIONS = (
    Function(id="f", names=("go",)),
    Function(id="elsewhere", names=("away",), queue="other"),
    Function(id="two", names=("both",)),
    Function(id="too", names=("both",)),
    Function(id="limited", names=("slow",), limiters="limited.1", limits={"limited": 2}),
)
NAMES = ("go", "go", "go", "away", "both", "slow", "unheard")
QUEUES = ("shop:default", "shop:other")
MINUTE = re.compile(r"^st:\d+")
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
    one, other = [
        {MINUTE.sub("st", name): value for name, value in (await driver.stored()).items() if name != "ev"}
        for driver in pair
    ]
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


async def _run(driver: Driver, *, plain: bool, steps: Sequence[bytes], result: bytes, at_once: bool) -> None:
    """A run from its event to its end, by the verbs of plain runs or by the general ones."""
    await _ingest(driver, [("1000-0", {b"n": b"go", b"i": b"e1", b"d": b"\xc0"})], capacity=1 if at_once else 0)
    run = driver.run_of("e1")
    if at_once:
        record = await driver.record(run)
        leased = run_of(id=run, g=record["g"].encode())
    else:
        (leased,) = await driver.lease()
        assert leased.plain
    leased.plain = plain
    ended = [operations.complete(leased, result)]
    for place, envelope in enumerate(steps):
        checkpoint = operations.checkpoint(leased, f"step{place}", envelope)
        assert (await driver.apply("w1", checkpoint)).status == "OK"
        again = await driver.apply("w1", checkpoint)
        assert (again.status, again.envelope) == ("DUP", envelope)
    assert (await driver.apply("w1", *ended)).status == "OK"
    assert (await driver.apply("w1", *ended)).status == "OK"  # the reply to the first was lost
    late = operations.checkpoint(leased, "late", b"\x92\x00\x01")
    assert (await driver.apply("w1", late)).status == "FENCED"
    assert (await driver.apply("w2", *ended)).status == "FENCED"


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("result", [b"\xc0", b"\xc4\xc8" + b"r" * 200])
@pytest.mark.parametrize(
    "steps", [(), (b"\x92\x00\x01",), (b"\x92\x00\x01", b"\x92\x00\xd9\xff" + b"s" * 255, b"\x92\x00\x02")]
)
async def test_plain_runs_end_as_all_runs_do(
    pair: tuple[Driver, Driver], steps: Sequence[bytes], result: bytes, at_once: bool
) -> None:
    """R17: the same records, indexes and answers, also to repeated operations and to strangers."""
    for driver, plain in zip(pair, (True, False), strict=True):
        await driver.enlist("w2")
        await _run(driver, plain=plain, steps=steps, result=result, at_once=at_once)
    await _same(pair)


async def test_a_plain_run_that_was_asked_to_stop_hears_of_it(driver: Driver) -> None:
    """R43: its next checkpoint is kept and says so; a complete that was on its way wins."""
    run = await driver.start()
    assert run.plain
    assert await driver.broker.do(cancel([run.id])) == ["requested"]
    assert (await driver.apply("w1", operations.checkpoint(run, "a", b"\x92\x00\x01"))).status == "CANCEL"
    assert (await driver.complete(run)).status == "OK"
    assert await driver.state(run.id) is RunState.COMPLETED


async def test_a_plain_run_whose_end_triggers_something_announces_it(driver: Driver) -> None:
    """R12: the general path writes the lifecycle event."""
    await driver.register(Function(id="f"), Function(id="after", names=("bgjobs/run.completed",)))
    run = await driver.start()
    assert (await driver.complete(run)).status == "OK"
    assert [event.name for event in await driver.read()] == ["bgjobs/run.completed"]


async def test_a_run_with_a_pending_step_is_plain_no_more(driver: Driver) -> None:
    """R30: its timers are removed with its end."""
    run = await driver.start()
    await driver.apply("w1", operations.pend(run, "nap", PendKind.SLEEP, delay_ms=60_000))
    assert not run.plain
    assert (await driver.complete(run)).status == "OK"
    await driver.fire()
    assert await driver.raw.zcard(driver.keys("dl")) == 0
