"""How runs end: results, dead letters, handlers, lifecycle events; and how they begin again, or are forgotten."""

from typing import Any

import msgpack
import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.model import PendKind, RunState
from bgjobs.broker.transitions import cancel, discard, replay, trim
from tests.broker.driver import NO_ERROR, Driver, Function
from tests.broker.key_table import left_over

State = RunState
HANDLED = (Function(id="f", on_failure="h"), Function(id="h", names=[]))
DAY = 86_400_000


async def letters(driver: Driver) -> list[tuple[bytes, dict[bytes, bytes]]]:
    return list(await driver.raw.xrange(driver.keys("dq")))


def trimmed(driver: Driver, *, age: int = 0, count: int = 0, letters_ms: int = 0, **options: int) -> Any:
    keep = {state: (age, count) for state in State if state.terminal}
    functions = [f"shop/{function}" for function in driver.functions]
    options = {"history_ms": 0, "history_max": 0, **options}
    return driver.broker.do(trim(functions, keep=keep, letters_ms=letters_ms, **options))


@pytest.mark.parametrize("size", [1, 64, 65, 100_000])
async def test_small_results_live_in_the_record_and_large_ones_beside_it(driver: Driver, size: int) -> None:
    """R48."""
    run = await driver.start()
    result = b"r" * size
    await driver.apply("w1", op.complete(run, result))
    record, steps = await driver.record(run.id), await driver.steps(run.id)
    assert (record.get("o"), steps.get("@r")) == ((result.decode(), None) if size <= 64 else (None, result))


async def test_a_failure_is_one_dead_letter_and_one_run_of_the_handler(driver: Driver) -> None:
    """R46: the handler's run tells of the run, its event and its error; repeating the operation adds nothing."""
    await driver.register(*HANDLED)
    run = await driver.start({"order": 7}, id="e7")
    for _ in range(2):
        await driver.fail(run)
    ((_, letter),) = await letters(driver)
    assert (letter[b"k"], letter[b"r"], letter[b"f"], letter[b"y"], letter[b"a"]) == (
        b"run",
        run.id.encode(),
        b"shop/f",
        b"ValueError",
        b"1",
    )
    (handler,) = await driver.lease("w1")
    assert (handler.function, handler.kind, handler.event_name) == ("h", "failure", "bgjobs/run.failed")
    assert msgpack.unpackb(handler.data) == {
        "run": run.id,
        "function": "shop/f",
        "event": {"name": "go", "id": "e7", "data": {"order": 7}},
        "error": msgpack.unpackb(NO_ERROR),
    }


async def test_neither_handlers_nor_cancelled_runs_have_a_handler(driver: Driver) -> None:
    """R46: a handler that names itself does not go round for ever."""
    await driver.register(Function(id="f", on_failure="h"), Function(id="h", names=[], on_failure="h"))
    run = await driver.start()
    await driver.broker.do(cancel([run.id]))
    await driver.fail(run)
    assert await driver.lease("w1") == []
    await driver.fail(await driver.start())
    (handler,) = await driver.lease("w1")
    await driver.fail(handler)
    assert await driver.lease("w1") == []
    assert len(await letters(driver)) == 2


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_lifecycle_events_are_written_if_a_trigger_names_them(driver: Driver, end: str) -> None:
    """R12: exactly; wildcards never match them, and runs that they start write none."""
    name = f"bgjobs/run.{end}"
    await driver.register(Function(id="f"), Function(id="audit", names=[name]), Function(id="all", names=["bgjobs/*"]))
    run = await driver.start({"order": 7}, id="e7")
    length = await driver.raw.xlen(driver.keys.events)
    await _end(driver, run, end)
    ((_, fields),) = await driver.raw.xrevrange(driver.keys.events, count=1)
    assert await driver.raw.xlen(driver.keys.events) == length + 1
    assert (fields[b"n"], fields[b"i"]) == (name.encode(), f"{run.id}:0".encode())
    story = msgpack.unpackb(fields[b"d"])
    assert (story["run"], story["event"]) == (run.id, {"name": "go", "id": "e7", "data": {"order": 7}})
    await driver.register(Function(id="f"), Function(id="audit", names=[name]))
    await driver.ingest()
    (audit,) = await driver.lease("w1")
    assert audit.function == "audit"
    length = await driver.raw.xlen(driver.keys.events)
    await _end(driver, audit, end)
    assert await driver.raw.xlen(driver.keys.events) == length


async def _end(driver: Driver, run: Any, end: str) -> None:
    operation = {
        "completed": op.complete(run, b"\xc0"),
        "failed": op.fail(run, NO_ERROR, type="E", message="m"),
        "cancelled": op.cancelled(run),
    }[end]
    assert (await driver.apply("w1", operation)).status == "OK"


async def test_no_lifecycle_events_without_a_trigger(driver: Driver) -> None:
    """R12."""
    await driver.register(Function(id="f"), Function(id="all", names=["bgjobs/*"]))
    run = await driver.start()
    length = await driver.raw.xlen(driver.keys.events)
    await driver.complete(run)
    assert await driver.raw.xlen(driver.keys.events) == length


async def test_a_forged_lifecycle_event_is_dropped(driver: Driver) -> None:
    """R12: the run is in another state, was replayed another number of times, or does not exist."""
    await driver.register(Function(id="f"), Function(id="audit", names=["bgjobs/run.failed", "bgjobs/run.completed"]))
    run = await driver.start()
    await driver.complete(run)
    for name, event_id in (
        ("failed", f"{run.id}:0"),
        ("completed", f"{run.id}:1"),
        ("failed", "nobody:0"),
        ("failed", "?"),
    ):
        await driver.send(f"bgjobs/run.{name}", None, id=event_id)
    replies = await driver.ingest()
    assert sum(reply.created for reply in replies) == 1  # the real one
    assert await driver.pending() == []


# Again.


async def test_from_the_failed_step_in_place(driver: Driver) -> None:
    """R44: same run; attempts and the escaping failure reset, other checkpoints stay; its dead letter is gone."""
    await driver.register(*HANDLED)
    run = await driver.start()
    failure = op.FAILURE + NO_ERROR
    await driver.apply("w1", op.checkpoint(run, "good:0", op.NOTHING), op.checkpoint(run, "caught:0", failure))
    await driver.apply("w1", op.pend(run, "bad:0", PendKind.RETRY, delay_ms=0, spec=[NO_ERROR, 1]))
    await driver.apply("w1", op.checkpoint(run, "bad:0", failure))
    await driver.fail(run, step="bad:0")
    (handler,) = await driver.lease("w1")
    assert await driver.broker.do(replay(run.id)) == ("OK", run.id)
    assert await driver.broker.do(replay(run.id)) == ("not failed", "")
    assert await letters(driver) == []
    (again,) = await driver.lease("w1")
    assert sorted(again.checkpoints) == ["caught:0", "good:0"]
    assert (again.replay, again.attempt, again.step_failures, again.crashes) == (1, 1, {}, 0)
    assert again.fence > run.fence
    await driver.fail(again)
    (second,) = await driver.lease("w1")
    assert second.function == "h"
    assert second.id != handler.id


async def test_a_replay_forgets_what_the_failed_run_waited_for(driver: Driver) -> None:
    """R30, R44: also if the clean-up had not come yet; and the clean-up leaves the live run alone."""
    run = await driver.start()
    await driver.apply("w1", op.pend(run, "old:0", PendKind.SLEEP, delay_ms=60_000))
    await driver.raw.zadd(driver.keys("dl"), {f"l|other{number}": 1 for number in range(60)})  # they come first
    await driver.fail(run)
    assert "p:old:0" in await driver.steps(run.id)
    await driver.broker.do(replay(run.id))
    assert "p:old:0" not in await driver.steps(run.id)
    (again,) = await driver.lease("w1", queues=["shop:default"])
    await driver.apply("w1", op.pend(again, "new:0", PendKind.SLEEP, delay_ms=60_000))
    await driver.raw.zadd(driver.keys("dl"), {f"z|{run.id}": 0})  # as if it came only now
    await driver.fire()
    assert "p:new:0" in await driver.steps(run.id)
    assert (await driver.record(run.id))["np"] == "1"


async def test_from_the_start_as_a_new_run(driver: Driver) -> None:
    """R44: repeating the request starts one; it obeys the limits of the old one; the old one stays as it is."""
    await driver.register(Function(id="f", limiters="A", limits={"A": 1}))
    run = await driver.start({"order": 7})
    assert await driver.broker.do(replay(run.id, new="00new")) == ("not finished", "")
    await driver.apply("w1", op.checkpoint(run, "a:0", op.NOTHING))
    await driver.complete(run)
    holder = await driver.start()
    assert await driver.broker.do(replay(run.id, new="00new")) == ("OK", "00new")
    assert await driver.broker.do(replay(run.id, new="00new")) == ("exists", "00new")
    assert await driver.lease("w1") == []
    await driver.complete(holder)
    (again,) = await driver.lease("w1")
    assert (again.id, again.replay_of, again.checkpoints) == ("00new", run.id, {})
    assert msgpack.unpackb(again.data) == {"order": 7}
    assert await driver.state(run.id) is State.COMPLETED


async def test_the_payload_of_a_replay_is_its_own(driver: Driver) -> None:
    """R47: the old run may be trimmed while the new one still needs the data."""
    run = await driver.start("x" * 1000)
    await driver.complete(run)
    await driver.broker.do(replay(run.id, new="00new"))
    await trimmed(driver)
    assert await driver.state(run.id) is None
    (again,) = await driver.lease("w1")
    assert msgpack.unpackb(again.data) == "x" * 1000


async def test_a_replay_may_go_elsewhere_with_other_data(driver: Driver) -> None:
    run = await driver.start({"order": 7})
    await driver.fail(run)
    data = msgpack.packb({"order": 8})
    await driver.broker.do(replay(run.id, new="00new", function="shop/g", queue="shop:other", data=data))
    (again,) = await driver.lease("w1", queues=["shop:other"])
    assert (again.function, msgpack.unpackb(again.data)) == ("g", {"order": 8})


# Forgotten.


async def test_discarding_leaves_the_run(driver: Driver) -> None:
    """R45: it leaves by the trim as others do."""
    run = await driver.start()
    await driver.fail(run)
    ((letter, _),) = await letters(driver)
    assert await driver.broker.do(discard([letter.decode(), "1-1"])) == 1
    assert await driver.state(run.id) is State.FAILED
    assert "dl" not in await driver.record(run.id)
    await trimmed(driver, letters_ms=DAY)
    assert await driver.state(run.id) is None


async def test_a_failed_run_lives_as_long_as_its_dead_letter(driver: Driver) -> None:
    """R45: neither a shorter age nor a count takes it away before."""
    runs = [await driver.start("x" * 1000) for _ in range(3)]
    for run in runs:
        await driver.fail(run)
    await trimmed(driver, age=0, count=1, letters_ms=7 * DAY)
    assert {await driver.state(run.id) for run in runs} == {State.FAILED}
    driver.advance(8 * DAY)
    assert (await trimmed(driver, age=30 * DAY, count=1, letters_ms=7 * DAY))[2] == 3
    assert [await driver.state(run.id) for run in runs].count(None) == 2


async def test_the_trim_keeps_by_age_and_count_and_within_its_budget(driver: Driver) -> None:
    """R47: the oldest go first; it says when there is more to do."""
    runs = []
    for _ in range(10):
        runs.append(run := await driver.start())
        await driver.complete(run)
        driver.advance(1000)
    assert await trimmed(driver, age=DAY, count=8, budget=1) == (1, 0, 0, True)
    assert (await trimmed(driver, age=DAY, count=8))[0] == 1
    assert [await driver.state(run.id) for run in runs[:3]] == [None, None, State.COMPLETED]
    assert (await trimmed(driver, age=4500, count=100))[0] == 4


async def test_a_payload_lives_until_its_last_record_is_gone(driver: Driver) -> None:
    """R47: shared by all runs of the event, whatever app they are of."""
    await driver.register(Function(id="f"), Function(id="g"))
    await driver.send("go", "x" * 1000)
    await driver.ingest()
    first, second = await driver.lease("w1")
    await driver.complete(first)
    await trimmed(driver)
    assert second.data == msgpack.packb("x" * 1000)
    assert [name for name in await driver.stored() if name.startswith("e:")]
    await driver.complete(second)
    await trimmed(driver)
    assert not [name for name in await driver.stored() if name.startswith("e:")]


async def test_a_drained_and_trimmed_namespace_holds_only_what_stays(driver: Driver) -> None:
    """R30, R49: after runs of every kind."""
    await driver.register(Function(id="f", limiters="A", limits={"A": 2}, on_failure="h"), Function(id="h", names=[]))
    for number in range(12):
        run = await driver.start("x" * (number * 20))
        wait = op.pend(run, "e:0", PendKind.EVENT, delay_ms=DAY, spec=op.wait_spec("x", "", ""))
        signal = op.pend(run, "g:0", PendKind.SIGNAL, delay_ms=DAY, spec=op.signal_spec("x"))
        await driver.apply("w1", op.checkpoint(run, "a:0", b"\x92\x00" + b"y" * number * 50), wait, signal)
        if number % 4 == 3:
            await driver.apply("w1", op.suspend(run, ["e:0"]))
            await driver.broker.do(cancel([run.id]))
        else:
            await (driver.fail(run) if number % 4 else driver.complete(run))
        for handler in await driver.lease("w1"):
            await driver.complete(handler)
    assert (await trimmed(driver))[0] > 0  # those with waits stay until these are cleaned up
    await driver.fire()
    driver.advance(1000)
    await trimmed(driver)
    assert await left_over(driver.broker) == []
    assert await driver.raw.zcard(driver.keys("wk")) == 2
