"""Which functions an event starts, and which limiters their runs count against."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.define.filters import FilterError, compile_filter
from bgjobs.define.limiter import limiter_of, limiter_references, limits_of
from bgjobs.define.matching import Matcher, trigger_matches
from bgjobs.define.registry import ConcurrencyData, CronData, Definition, TriggerData


def definition(id: str, *triggers: str | tuple[str, str], concurrency: Sequence[ConcurrencyData] = ()) -> Definition:
    made = [
        TriggerData(name=each) if isinstance(each, str) else TriggerData(name=each[0], filter=each[1])
        for each in triggers
    ]
    return Definition(app="shop", id=id, triggers=tuple(made), concurrency=tuple(concurrency))


def matched(matcher: Matcher, name: str, data: Any = None, errors: list[str] | None = None) -> list[str]:
    def count(which: Definition, error: FilterError) -> None:
        if errors is None:
            raise AssertionError(error)
        errors.append(f"{which.id} {error.reason}")

    return [each.key.partition("/")[2] for each in matcher.match({"id": "e1", "name": name, "data": data}, count)]


def test_exact_and_wildcard_names() -> None:
    matcher = Matcher(
        [
            definition("exact", "order/created"),
            definition("orders", "order/*"),
            definition("all", "*"),
            definition("never"),
        ]
    )
    assert matched(matcher, "order/created") == ["exact", "orders", "all"]
    assert matched(matcher, "order/eu/paid") == ["orders", "all"]
    assert matched(matcher, "orders/created") == ["all"]
    assert matched(matcher, "order") == ["all"]


def test_a_function_matches_at_most_once() -> None:
    """R1."""
    matcher = Matcher([definition("f", "order/created", "order/*", "*", ("order/created", "event.data.x == 1"))])
    assert matched(matcher, "order/created", {"x": 1}) == ["f"]


def test_wildcards_never_match_events_about_runs() -> None:
    """R12."""
    matcher = Matcher([definition("all", "*"), definition("b", "b*"), definition("told", "bgjobs/run.failed")])
    assert matched(matcher, "bgjobs/run.failed") == ["told"]
    assert matched(matcher, "bgjobs/run.completed") == []
    assert matched(matcher, "bgjobs") == ["all", "b"]
    assert matcher.lifecycle_names == {"bgjobs/run.failed"}


def test_one_passing_filter_is_enough() -> None:
    big, pro = "event.data.amount > 100", "event.data.plan == 'pro'"
    matcher = Matcher([definition("f", ("order/*", big), ("order/created", pro)), definition("all", "order/*")])
    assert matched(matcher, "order/created", {"amount": 1, "plan": "pro"}) == ["all", "f"]
    assert matched(matcher, "order/created", {"amount": 101, "plan": "free"}) == ["all", "f"]
    assert matched(matcher, "order/created", {"amount": 1, "plan": "free"}) == ["all"]
    assert matched(matcher, "order/paid", {"amount": 1, "plan": "pro"}) == ["all"]


def test_a_filter_that_errs_does_not_match_and_is_counted() -> None:
    matcher = Matcher([definition("f", ("order/*", "event.data.amount > 100"), ("order/*", "event.data.ok == true"))])
    errors: list[str] = []
    assert matched(matcher, "order/created", {"amount": "many"}, errors) == []
    assert matched(matcher, "order/created", {"amount": "many", "ok": True}, errors) == ["f"]
    assert errors == ["f type", "f type"]


def test_names_without_filters_need_no_data() -> None:
    matcher = Matcher([definition("f", "order/*", concurrency=[ConcurrencyData(limit=2)]), definition("g", "user/*")])
    candidates = matcher.candidates("order/created")
    assert [each.key.partition("/")[2] for each in candidates.settled] == ["f"]
    assert candidates.settled[0].limiters
    assert not candidates.open
    assert matcher.candidates("order/created") is candidates


def test_what_can_not_be_evaluated_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """R7: such a worker must not ingest, or events would be lost for the function."""
    monkeypatch.delitem(sys.modules, "bgjobs.define.cel_filters", raising=False)
    monkeypatch.setitem(sys.modules, "cel", None)
    compile_filter.cache_clear()
    matcher = Matcher(
        [
            definition("cel", ("order/*", "event.data.a + event.data.b > 5")),
            definition("key", "order/*", concurrency=[ConcurrencyData(limit=1, key="cel(event)")]),
            definition("plain", "order/*"),
        ]
    )
    assert [(each.function, each.expression) for each in matcher.unevaluable] == [
        ("shop/cel", "event.data.a + event.data.b > 5"),
        ("shop/key", "cel(event)"),
    ]
    assert "bgjobs[cel]" in matcher.unevaluable[0].why
    assert matched(matcher, "order/created") == ["plain"]


NAMES = st.sampled_from(["order/created", "order/paid", "user/created", "o", "order/eu/paid", "bgjobs/run.failed"])
PATTERNS = st.sampled_from(
    ["order/created", "order/*", "order/eu/*", "*", "user/*", "user/created", "o*", "bgjobs/run.failed"]
)
FILTERS = st.none() | st.sampled_from(["event.data.a > 1", "event.data.a == 'x'", "event.data.b != null"])
DATA = st.none() | st.dictionaries(st.sampled_from("ab"), st.none() | st.integers(0, 3) | st.just("x"))


@given(st.lists(st.lists(st.tuples(PATTERNS, FILTERS), max_size=3), max_size=5), NAMES, DATA)
def test_agrees_with_the_obvious(functions: list[list[tuple[str, str | None]]], name: str, data: Any) -> None:
    """The compiled matcher gives what looking at each trigger of each function gives."""
    definitions = [
        Definition(app="shop", id=f"f{index}", triggers=tuple(TriggerData(name=p, filter=f) for p, f in triggers))
        for index, triggers in enumerate(functions)
    ]

    def passes(trigger: TriggerData) -> bool:
        if not trigger_matches(trigger.name, name):
            return False
        try:
            return trigger.filter is None or compile_filter(trigger.filter).matches({"name": name, "data": data})
        except FilterError:
            return False

    expected = [each.id for each in definitions if any(map(passes, each.triggers))]
    assert sorted(matched(Matcher(definitions), name, data, [])) == sorted(expected)


def test_limiters() -> None:
    by_customer = ConcurrencyData(limit=5, key="event.data.customer")
    shared = ConcurrencyData(limit=2, name="database")
    f = definition("f", "x", concurrency=[by_customer, shared])
    g = definition("g", "x", concurrency=[shared, by_customer])

    def references(which: Definition, customer: Any) -> set[str]:
        return set(limiter_references(which, {"data": {"customer": customer}}).split())

    assert references(f, 1) == references(f, 1.0) != references(f, "1")
    # The shared one is the same for both functions, their own are not.
    assert len(references(f, 1) & references(g, 1)) == 1
    assert limits_of(f) == {limiter_of("shop/f", by_customer): 5, limiter_of("shop/f", shared): 2}
    # Events without the path share one value.
    assert limiter_references(f, {"data": {}}) == limiter_references(f, {"data": None})
    # Every reference begins with a definition whose limit is registered.
    assert {reference.partition(".")[0] for reference in references(f, 1)} == set(limits_of(f))


@given(st.integers(0, 4), st.text())
def test_limiter_references_fit_their_field(keyed: int, value: str) -> None:
    """R48: at most 64 bytes."""
    limits = [ConcurrencyData(limit=1, key="event.data.v", name=f"shared-{index}") for index in range(keyed)]
    assert len(limiter_references(definition("f", concurrency=limits), {"data": {"v": value}})) <= 64


def test_definitions_as_data() -> None:
    full = Definition(
        app="shop",
        id="f",
        queue="slow",
        priority=2.5,
        retries=0,
        timeout=60.0,
        on_failure="f.on-failure",
        isolation="process",
        triggers=(TriggerData(name="order/*", filter="event.data.a > 1"),),
        cron=(CronData(key="k", expression="* * * * *"),),
        concurrency=(ConcurrencyData(limit=1, key="event.id"),),
    )
    for each in (full, Definition(app="shop", id="g"), Definition(app="shop", id="g", retries=0)):
        assert Definition.from_data(each.to_data()) == each
    # What a later version adds is ignored, what an earlier one did not have has its default.
    assert Definition.from_data(
        {"app": "a", "id": "b", "later": 1, "triggers": [{"name": "x", "later": 2}]}
    ) == Definition(app="a", id="b", triggers=(TriggerData(name="x"),))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5_000), (1.5, 1_500), (-700, -600_000), (1e12, 600_000), ("high", 0), (True, 0), (None, 0), (float("nan"), 0)],
)
def test_a_priority_comes_from_the_event(value: Any, expected: int) -> None:
    """R15: clamped to ten minutes; what is no number counts as none."""
    urgent = Definition(app="shop", id="f", triggers=(TriggerData(name="x"),), priority="event.data.urgency")
    event = {"id": "1", "name": "x", "data": {"urgency": value}, "key": None}
    (found,) = Matcher([urgent]).match(event, _no_errors)
    assert found.priority_ms == expected
    (found,) = Matcher([urgent]).match({**event, "data": {}}, _no_errors)
    assert found.priority_ms == 0


def _no_errors(definition: Definition, error: Exception) -> None:
    raise AssertionError(error)
