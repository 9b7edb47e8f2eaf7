"""Sleeping, waiting, invoking, sending: what each registers, and what it comes to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bgjobs.broker.codec import encode
from bgjobs.broker.operations import FAILURE, SUCCESS
from bgjobs.define.event import Event, EventModel
from bgjobs.define.values import value_hash
from bgjobs.worker.outcome import Completed, Failed, Left
from tests.worker.executing import NOTHING, Bench, failure, run_of, success


class OrderPaid(EventModel, name="order/paid"):
    order_id: int


async def registered(function: Any, **fields: Any) -> tuple[Any, ...]:
    """The pending step that a function registers before it leaves."""
    bench = Bench(function)
    outcome = await bench.execute(run_of(**fields))
    assert isinstance(outcome, Left), outcome
    (pend,) = bench.committer.of("p")
    return pend[3:]


async def value_of(function: Any, **fields: Any) -> Any:
    outcome = await Bench(function).execute(run_of(**fields))
    assert isinstance(outcome, Completed), outcome
    return outcome.value


@pytest.mark.parametrize(
    ("duration", "ms"), [("3 days", 259_200_000), (90, 90_000), (timedelta(minutes=1), 60_000), ("1h30m", 5_400_000)]
)
async def test_sleep_is_a_timer_of_the_server(duration: Any, ms: int) -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.sleep("a", duration)

    assert await registered(function) == ("a", "s", ms, 0, [])


async def test_sleep_until_names_the_time_of_the_server() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.sleep_until("a", datetime(2040, 1, 1, tzinfo=UTC))

    assert await registered(function) == ("a", "s", 0, 2_208_988_800_000, [])


async def test_sleep_gives_nothing() -> None:
    async def function(ctx: Any) -> Any:
        return await ctx.step.sleep("a", 60)

    assert await value_of(function, checkpoints={"a": NOTHING}) is None


async def test_a_bad_duration_registers_nothing_and_fails_the_run() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.sleep("a", "soon")

    bench = Bench(function)
    outcome = await bench.execute()
    assert isinstance(outcome, Failed)
    assert bench.committer.letters == "f"


async def test_wait_for_event_registers_path_and_value() -> None:
    async def function(ctx: Any) -> None:
        await ctx.step.wait_for_event(
            "a", "order/paid", match="data.order_id", filter="event.data.amount > 5", timeout="1h"
        )

    registration = await registered(function, data={"order_id": 17})
    spec = ["order/paid", "event.data.order_id", value_hash(17), "event.data.amount > 5"]
    assert registration == ("a", "e", 3_600_000, 0, spec)


async def test_every_wait_has_a_time_out() -> None:
    """R31"""

    async def function(ctx: Any) -> None:
        await ctx.step.wait_for_event("a", "order/paid")

    assert await registered(function) == ("a", "e", 30 * 86_400_000, 0, ["order/paid", "", "", ""])


async def test_a_match_on_a_path_that_the_own_event_lacks_is_an_error() -> None:
    """R31: a missing path never matches, so this run would wait for nothing."""

    async def function(ctx: Any) -> None:
        await ctx.step.wait_for_event("a", "order/paid", match="data.order_id")

    outcome = await Bench(function).execute(run_of({"other": 1}))
    assert isinstance(outcome, Failed)
    assert "no event could match" in outcome.failure.error["message"]


EVENT = ["e9", "order/paid", "k1", 1_700_000_000_000, {"order_id": 17}]


async def test_the_event_that_ended_a_wait() -> None:
    async def function(ctx: Any) -> Any:
        event = await ctx.step.wait_for_event("a", "order/paid")
        assert isinstance(event, Event)
        assert event.time == datetime.fromtimestamp(1_700_000_000, UTC)
        return [event.id, event.name, event.key, event.data]

    assert await value_of(function, checkpoints={"a": success(EVENT)}) == ["e9", "order/paid", "k1", {"order_id": 17}]


async def test_a_typed_wait_gives_a_typed_event() -> None:
    async def function(ctx: Any) -> Any:
        event = await ctx.step.wait_for_event("a", OrderPaid)
        assert isinstance(event.data, OrderPaid)
        return event.data.order_id

    assert (await registered(function))[4][0] == "order/paid"
    assert await value_of(function, checkpoints={"a": success(EVENT)}) == 17


async def test_a_wait_that_timed_out_gives_none() -> None:
    async def function(ctx: Any) -> Any:
        return [await ctx.step.wait_for_event("a", "order/paid"), await ctx.step.wait_for_signal("b", "ok")]

    assert await value_of(function, checkpoints={"a": NOTHING, "b": NOTHING}) == [None, None]


async def test_wait_for_signal() -> None:
    async def function(ctx: Any) -> Any:
        return await ctx.step.wait_for_signal("a", "approved/17", timeout=60)

    assert await registered(function) == ("a", "g", 60_000, 0, ["approved/17"])
    assert await value_of(function, checkpoints={"a": success({"by": "me"})}) == {"by": "me"}


async def test_invoke_registers_the_child() -> None:
    async def function(ctx: Any) -> Any:
        return await ctx.step.invoke("a", "shop/charge", {"amount": 5}, timeout="1h", on_parent_end="leave")

    spec = ["child of 00run:a", "shop/charge", {"amount": 5}, True]
    assert await registered(function) == ("a", "i", 3_600_000, 0, spec)


async def test_invoke_without_a_time_out_is_not_due_at_once() -> None:
    async def function(ctx: Any) -> Any:
        return await ctx.step.invoke("a", "shop/charge")

    assert (await registered(function))[2] > 365 * 86_400_000


async def test_invoke_gives_the_result_in_the_type_that_the_child_promises() -> None:
    async def child(ctx: Any) -> tuple[int, datetime]:
        raise NotImplementedError

    async def function(ctx: Any) -> Any:
        result = await ctx.step.invoke("a", child)
        assert result == (1, datetime(2024, 1, 1, tzinfo=UTC))
        return "restored"

    stored = SUCCESS + encode([1, datetime(2024, 1, 1, tzinfo=UTC)])
    assert await value_of(function, checkpoints={"a": stored}) == "restored"


async def test_a_failed_child_raises_step_failed() -> None:
    """R32"""

    async def function(ctx: Any) -> Any:
        await ctx.step.invoke("a", "shop/charge")

    bench = Bench(function)
    outcome = await bench.execute(run_of(checkpoints={"a": failure("RunCancelled", "the child was cancelled")}))
    assert isinstance(outcome, Failed)
    assert outcome.failure.error["message"] == "the child was cancelled"


async def test_a_child_that_the_server_gave_up_has_an_error_of_two_words() -> None:
    """The scripts write shorter error maps than workers do."""

    async def function(ctx: Any) -> Any:
        await ctx.step.invoke("a", "shop/charge")

    short = FAILURE + encode({"type": "InvokeTimeout", "message": "late"})
    outcome = await Bench(function).execute(run_of(checkpoints={"a": short}))
    assert isinstance(outcome, Failed)
    assert outcome.failure.error["type"] == "InvokeTimeout"


async def test_send_event_is_appended_with_its_checkpoint() -> None:
    async def function(ctx: Any) -> Any:
        return await ctx.step.send_event("tell", "order/shipped", {"n": 1}, key="k")

    bench = Bench(function)
    outcome = await bench.execute()
    assert isinstance(outcome, Completed)
    assert outcome.value == "00run:tell"
    (checkpoint,) = bench.committer.of("k")
    assert checkpoint[4] == success("00run:tell")
    fields = ["n", "order/shipped", "i", "00run:tell", "d", encode({"n": 1}), "k", "k"]
    assert checkpoint[5] == [fields]


async def test_a_sent_event_is_not_sent_again() -> None:
    async def function(ctx: Any) -> Any:
        return await ctx.step.send_event("tell", "order/shipped")

    bench = Bench(function)
    await bench.execute(run_of(checkpoints={"tell": success("00run:tell")}))
    assert bench.committer.letters == "c"


async def test_a_delayed_event_is_due_by_the_clock_of_the_server() -> None:
    async def function(ctx: Any) -> Any:
        await ctx.step.send_event("later", "order/remind", delay="1h")
        await ctx.step.send_event("then", OrderPaid(order_id=1), at=1_000_000)

    bench = Bench(function)
    await bench.execute(run_of(now_ms=5_000_000))
    later, then = (dict(zip(op[5][0][::2], op[5][0][1::2], strict=True)) for op in bench.committer.of("k"))
    assert 5_000_000 + 3_600_000 <= int(later["t"]) < 5_000_000 + 3_660_000
    assert int(then["t"]) == 1_000_000_000
    assert then["n"] == "order/paid"


async def test_an_event_that_cannot_be_sent_fails_the_run_before_anything_is_written() -> None:
    async def function(ctx: Any) -> Any:
        await ctx.step.send_event("tell", "order/shipped", {"when": object()})

    bench = Bench(function)
    outcome = await bench.execute()
    assert isinstance(outcome, Failed)
    assert "data.when" in outcome.failure.error["message"]
    assert bench.committer.letters == "f"


async def test_long_step_ids_still_give_valid_event_ids() -> None:
    async def function(ctx: Any) -> Any:
        return await ctx.step.send_event("x" * 200, "order/shipped")

    assert len(await value_of(function)) <= 200


async def test_progress() -> None:
    async def function(ctx: Any) -> None:
        await ctx.progress(50, "half")
        await ctx.progress(120)

    bench = Bench(function)
    await bench.execute()
    assert [operation[3:] for operation in bench.committer.of("g")] == [("50", "half"), ("100", "")]
