"""What decides about events before they are runs: evaluated in order, written only if the event is accepted (R6)."""

from typing import Any

import msgpack

from bgjobs.broker import operations as op
from bgjobs.broker.model import LeasedRun, PendKind, RunState
from bgjobs.broker.transitions import cancel
from tests.broker.driver import Driver, Function

DAY = 86_400_000


def idempotent(data: Any) -> list[tuple[Any, ...]]:
    return [("i", f"shop/f:{data}", DAY)]


def limited(limit: int, period_ms: int = 60_000) -> Function:
    return Function(id="f", policies=lambda data: [("r", f"shop/f:{data}", limit, period_ms)])


async def counted(driver: Driver) -> dict[str, int]:
    """The counts of the last minutes, by function and state or reason."""
    stored = await driver.stored()
    found: dict[str, int] = {}
    for name, fields in stored.items():
        if name.startswith("st:"):
            for field, count in fields.items():
                found[field.decode()] = found.get(field.decode(), 0) + int(count)
    return found


async def dropped(driver: Driver, event: str) -> list[Any] | None:
    packed = await driver.raw.get(driver.keys("dr:" + driver.run_of(event)))
    return None if packed is None else msgpack.unpackb(packed)


async def test_a_rate_limit_lets_the_first_pass_and_counts_the_others(driver: Driver) -> None:
    """R6: whatever comes beyond the limit makes no run, is counted, and is remembered with its reason."""
    await driver.register(limited(3))
    sent = [await driver.send() for _ in range(10)]
    replies = await driver.ingest()
    assert sum(reply.created for reply in replies) == 3
    assert [dropped for reply in replies for dropped in reply.dropped] == [("shop/f", "rate_limit", 7)]
    assert [await driver.state(driver.run_of(each)) is None for each in sent] == [False] * 3 + [True] * 7
    assert await dropped(driver, sent[0]) is None
    assert await dropped(driver, sent[9]) == ["rate_limit", "shop/f", "go", sent[9], ""]
    assert (await counted(driver))["shop/f|rate_limit"] == 7


async def test_a_rate_limit_holds_in_any_window(driver: Driver) -> None:
    """The window slides: an event passes as soon as the one `limit` before it is a period old, and not earlier."""
    await driver.register(limited(2))
    passed = []
    for wait in (0, 30_000, 29_000, 1_001, 29_000, 1_001, 59_000):
        driver.advance(wait)
        event = await driver.send()
        await driver.ingest()
        passed.append(await driver.state(driver.run_of(event)) is not None)
    #        0 s   30 s  59 s   60 s  89 s   90 s  149 s: after 60 and 90
    assert passed == [True, True, False, True, False, True, True]


async def test_each_value_of_a_key_has_its_own_rate(driver: Driver) -> None:
    await driver.register(limited(1))
    sent = [await driver.send(data=customer) for customer in ("a", "b", "a", "b", "c")]
    await driver.ingest()
    assert [await driver.state(driver.run_of(each)) is not None for each in sent] == [True, True, False, False, True]


async def test_a_raised_limit_counts_what_passed_before(driver: Driver) -> None:
    await driver.register(limited(2))
    for _ in range(3):
        await driver.send()
    await driver.ingest()
    await driver.register(limited(4))
    sent = [await driver.send() for _ in range(3)]
    await driver.ingest()
    assert [await driver.state(driver.run_of(each)) is not None for each in sent] == [True, True, False]


async def test_an_idempotency_key_outlives_its_run(driver: Driver) -> None:
    """R41: not released by failure or cancel; the duplicate names the run that came first."""
    await driver.register(Function(id="f", policies=idempotent))
    first = await driver.start("a")
    await driver.fail(first)
    again = await driver.send(data="a")
    await driver.ingest()
    assert await driver.state(driver.run_of(again)) is None
    assert await dropped(driver, again) == ["idempotency", "shop/f", "go", again, first.id]
    other = await driver.start("b")
    await driver.broker.do(cancel([other.id]))
    await driver.apply("w1", op.cancelled(other))
    twice = await driver.send(data="b")
    await driver.ingest()
    assert await driver.state(driver.run_of(twice)) is None
    assert (await counted(driver))["shop/f|idempotency"] == 2


async def test_an_idempotency_key_is_free_after_its_period(driver: Driver) -> None:
    await driver.register(Function(id="f", policies=idempotent))
    await driver.complete(await driver.start("a"))
    driver.advance(DAY + 1)
    await driver.enlist("w1")
    assert await driver.start("a")


async def test_what_is_dropped_consumes_nothing(driver: Driver) -> None:
    """R6: an event that the rate limit drops leaves no idempotency key, a duplicate takes no room of the rate."""
    both = Function(id="f", policies=lambda data: [("i", f"shop/f:{data}", DAY), ("r", "shop/f:", 2, 60_000)])
    await driver.register(both)
    for data in ("a", "a", "a", "b", "c"):
        await driver.send(data=data)
    await driver.ingest()
    assert (await counted(driver)) == {"shop/f|idempotency": 2, "shop/f|rate_limit": 1}
    driver.advance(60_001)
    assert await driver.send(data="c")
    (reply,) = await driver.ingest()
    assert (reply.created, reply.dropped) == (1, ())


async def test_a_repeated_event_is_told_by_its_id_before_policies(driver: Driver) -> None:
    """R2: a duplicate by its id is acknowledged and counted as one, whatever the policies say."""
    await driver.register(limited(1))
    await driver.send(id="same")
    await driver.send(id="same")
    (reply,) = await driver.ingest()
    assert (reply.created, reply.duplicates, reply.dropped) == (1, 1, ())


async def test_a_flood_of_dropped_events_is_remembered_in_part(driver: Driver) -> None:
    """What is kept of dropped events is bounded: the counts stay exact."""
    await driver.register(limited(1))
    await driver.send()
    await driver.ingest()
    now = await driver.now()
    for minute in (0, 1):  # the test may pass from one to the next
        await driver.raw.set(driver.keys(f"dn:{now // 60_000 + minute}"), 9_999, px=120_000)
    sent = [await driver.send() for _ in range(5)]
    await driver.ingest()
    kept = [await dropped(driver, each) is not None for each in sent]
    assert 1 <= sum(kept) <= 2
    assert (await counted(driver))["shop/f|rate_limit"] == 5


async def invoke(driver: Driver, parent: LeasedRun, step: str) -> Any:
    spec = op.invoke_spec(
        child=driver.run_of(step, "f", "bgjobs/invoke"),
        function="shop/f",
        queue="shop:default",
        limiters="",
        priority_ms=0,
        event_id=step,
        data=b"\xc0",
        policies=[("r", "shop/f:", 1, 60_000)],
    )
    return await driver.apply("w1", op.pend(parent, step, PendKind.INVOKE, delay_ms=60_000, spec=spec))


async def test_a_dropped_child_ends_the_step_of_its_parent_at_once(driver: Driver) -> None:
    """R32: the parent's step has its failure in the answer, with the reason; nothing is left pending."""
    await driver.register(Function(id="f", names=()), Function(id="parent"))
    parent = await driver.start()
    assert (await invoke(driver, parent, "a:0")).status == "OK"
    answer = await invoke(driver, parent, "b:0")
    code, error = msgpack.unpackb(answer.envelope)
    assert (code, error["type"]) == (1, "RunDropped")
    assert "shop/f did not run: rate_limit" in error["message"]
    assert (await driver.record(parent.id))["np"] == "1"
    assert await driver.state(driver.run_of("a:0", "f", "bgjobs/invoke")) is RunState.QUEUED
