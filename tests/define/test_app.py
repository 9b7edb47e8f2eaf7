"""Apps and the decorator: what it keeps, and that every mistake is told at once, by name and with a remedy."""

from __future__ import annotations

import functools
import inspect
import json
import subprocess
import sys
from typing import Any

import pytest

from bgjobs.broker.codec import decode
from bgjobs.define.app import App
from bgjobs.define.errors import DefinitionError, DuplicateFunction, EventValidationError, InvalidName, UsageError
from bgjobs.define.event import EventModel, read_event_data
from bgjobs.define.policies import Backoff, Concurrency, ProcessIsolation
from bgjobs.define.registering import cron_entry, registered
from bgjobs.define.registry import ConcurrencyData, CronData, Definition
from bgjobs.define.trigger import Cron, Trigger, event


class OrderCreated(EventModel, name="order/created"):
    """An order."""

    amount: int
    note: str = ""


async def handler(ctx: object) -> str:
    return "told"


def test_the_function_stays_what_it_was() -> None:
    app = App("shop")

    @app.function("process-order", on="order/created")
    async def process_order(ctx: object, *, dry: bool = False) -> str:
        """Charge it."""
        return f"dry={dry}"

    coroutine = process_order(None, dry=True)
    with pytest.raises(StopIteration, match="dry=True"):
        coroutine.send(None)
    assert process_order.key == "shop/process-order"
    assert inspect.getdoc(process_order) == "Charge it."
    assert app.functions == {"process-order": process_order}
    assert process_order.definition.is_async


def test_everything_given_is_kept() -> None:
    app = App("shop", retries=2, backoff="3s", queue="mail")

    @app.function(
        on=[OrderCreated, event("order/*", filter="event.data.amount > 100")],
        cron=["0 8 * * *", Cron("@daily", tz="Europe/Berlin", missed="all")],
        concurrency=[Concurrency(5, key="data.customer"), Concurrency(50, name="database")],
        timeout="2 minutes",
        priority=-10,
        on_failure=handler,
        isolation=ProcessIsolation(memory=2**30),
    )
    def process_order(ctx: object) -> None: ...

    kept = process_order.definition
    assert kept.id == "process-order"
    assert kept.triggers == (
        Trigger(name="order/created", model=OrderCreated),
        Trigger(name="order/*", filter="event.data.amount > 100"),
    )
    assert kept.cron[1] == Cron("@daily", tz="Europe/Berlin", missed="all")
    assert kept.concurrency[0].key == "event.data.customer"
    assert (kept.retries, kept.queue, kept.timeout, kept.priority) == (2, "mail", 120.0, -10.0)
    assert kept.backoff == Backoff(3, factor=1, longest=3, jitter=0)
    assert not kept.is_async
    assert kept.event_model("order/created") is OrderCreated
    assert kept.event_model("order/paid") is None
    assert kept.event_model("bgjobs/invoke") is None
    assert app.function("typed", on=OrderCreated)(handler).definition.event_model("bgjobs/invoke") is OrderCreated


def test_on_failure_is_an_ordinary_function() -> None:
    """R46: without triggers, without flow control, not for itself."""
    app = App("shop")

    @app.function("charge", on="order/created", queue="money", concurrency=1, on_failure=handler)
    def charge(ctx: object) -> None: ...

    made = app.functions["charge.on-failure"].definition
    assert charge.definition.on_failure == made.id
    assert (made.failure_of, made.queue, made.callable) == ("charge", "money", handler)
    assert (made.triggers, made.cron, made.concurrency, made.on_failure) == ((), (), (), None)

    @app.function("tell")
    def tell(ctx: object) -> None: ...

    @app.function("ship", on_failure=tell)
    def ship(ctx: object) -> None: ...

    assert ship.definition.on_failure == "tell"
    with pytest.raises(DefinitionError, match="has an on_failure= itself"):
        app.function("loop", on_failure=ship)(handler)
    assert "loop" not in app.functions


def test_what_the_registry_holds() -> None:
    app = App("shop")

    @app.function("f", on=["a", "b/*"], cron="0 8 * * *", concurrency=3, timeout="1m", on_failure=handler)
    def f(ctx: object) -> None:
        """Work.

        Much of it.
        """

    data = f.definition.as_data()
    assert Definition.from_data(json.loads(json.dumps(data.to_data()))) == data
    assert [trigger.name for trigger in data.triggers] == ["a", "b/*"]
    assert data.cron == (CronData(key=f.definition.cron[0].key, expression="0 8 * * *"),)
    assert data.concurrency == (ConcurrencyData(limit=3),)
    assert (data.on_failure, data.description, data.timeout) == ("f.on-failure", "Work.", 60.0)


def test_registration() -> None:
    app = App("shop")

    @app.function("f", on=["a", "b/*", "a"], cron="0 8 * * *", concurrency=3, on_failure=handler)
    def f(ctx: object) -> None: ...

    first, second = registered([each.definition for each in app.functions.values()], now_ms=0)
    assert Definition.from_data(decode(first.body)) == f.definition.as_data()
    assert tuple(first.names) == ("a", "b/*")
    assert (first.on_failure, first.on_failure_queue) == ("shop/f.on-failure", "shop:default")
    assert list(first.limits.values()) == [3]
    assert first.crons == {cron_entry("shop/f", f.definition.cron[0].key): 8 * 3_600_000}
    assert (second.id, second.names, second.on_failure) == ("f.on-failure", (), "")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"on": "a b"}, "not a valid event name"),
    ({"on": 5}, "of type int"),
    ({"on": int}, "int is no event"),
    ({"on": EventModel}, "EventModel has no event name"),
    ({"on": "a*b"}, "before its end"),
    ({"on": "bgjobs/secret"}, "reserved"),
    ({"on": "bgjobs/*"}, "wildcards never match"),
    ({"cron": "61 * * * *"}, "minute field"),
    ({"cron": ["@daily", "@daily"]}, "are the same"),
    ({"cron": 5}, "of type int"),
    ({"retries": -1}, "retries= is -1"),
    ({"retries": 1.5}, "retries= is 1.5"),
    ({"timeout": "soon"}, "timeout= is 'soon'"),
    ({"timeout": 0}, "timeout= is 0"),
    ({"backoff": "soon"}, "can't be read as a duration"),
    ({"concurrency": 0}, "limit is 0"),
    ({"concurrency": "5"}, "concurrency= has '5'"),
    ({"concurrency": [1, 1]}, "count the same"),
    ({"throttle": 5}, "throttle= is 5"),
    (
        {"concurrency": [Concurrency(1, name=f"n{index}", key="event.id") for index in range(21)]},
        "21 concurrency limits",
    ),
    ({"queue": "a b"}, "is no valid name"),
    ({"priority": 1000}, "priority= is 1000"),
    ({"priority": "high"}, "'high' leads nowhere"),
    ({"isolation": "thread"}, "isolation= is 'thread'"),
    ({"isolation": "process"}, "async def"),
    ({"on_failure": 5}, "which is no function"),
    ({"rate": 5}, "no option rate="),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    app = App("shop")
    with pytest.raises(UsageError, match=message) as refused:
        app.function("f", **options)(handler)
    assert str(refused.value).startswith("Function 'f': ")
    assert refused.value.remedy
    assert not app.functions


def generator(ctx: object) -> Any:
    yield


@pytest.mark.parametrize(
    ("callable", "message"),
    [
        (5, "no function"),
        (int, "no function"),
        (generator, "generator"),
        (lambda: None, "one argument"),
        (lambda a, b: None, "one argument"),
        (App("other").function("f")(handler), "once more"),
    ],
)
def test_wrong_callables(callable: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        App("shop").function("f")(callable)


def test_wrong_ids() -> None:
    app = App("shop")
    app.function("f")(handler)
    with pytest.raises(DuplicateFunction, match="has a function 'f' already"):
        app.function("f")(handler)
    with pytest.raises(DefinitionError, match="without parentheses"):
        app.function(handler)  # type: ignore[arg-type]
    for wrong in ("", "a/b", "a b", "-a", "x" * 65, "ä"):
        with pytest.raises(InvalidName):
            app.function(wrong)(handler)
        with pytest.raises(InvalidName):
            App(wrong)
    app.function("g", on_failure=handler)(handler)
    with pytest.raises(DuplicateFunction):
        app.function("g.on-failure")(handler)


def test_async_is_found_through_wrappers() -> None:
    class Callable:
        async def __call__(self, ctx: object) -> None: ...

    app = App("shop")
    assert app.function("partial")(functools.partial(handler)).definition.is_async
    assert app.function("object")(Callable()).definition.is_async


def test_typed_events() -> None:
    assert OrderCreated.event_name == "order/created"
    order = OrderCreated(amount=5)
    assert order.event_name == "order/created"
    assert order.event_data() == {"amount": 5, "note": ""}
    assert read_event_data(OrderCreated, {"amount": "5"}) == order
    with pytest.raises(EventValidationError, match=r"data\.amount") as refused:
        read_event_data(OrderCreated, {"amount": "secret words"})
    assert "secret words" not in str(refused.value)
    order.amount = "many"  # type: ignore[assignment]
    with pytest.raises(EventValidationError, match=r"data\.amount"):
        order.event_data()
    with pytest.raises(InvalidName):
        type("Wrong", (EventModel,), {}, name="order/*")


def test_defining_loads_nothing_heavy() -> None:
    """Web code pays for what it uses: no worker, no command line, no metrics."""
    code = "import sys; from bgjobs.define.app import App; App('shop'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = [name for name in loaded if name.startswith(("bgjobs.worker", "bgjobs.cli", "click", "prometheus_client"))]
    assert heavy == []
