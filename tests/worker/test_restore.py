"""Results come back in the types that annotations promise, on the first run just as on resume."""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TypedDict
from uuid import UUID

import pydantic
import pytest

from bgjobs.worker.outcome import Completed
from bgjobs.worker.restore import restorer_of
from tests.worker.executing import Bench, run_of


@dataclass
class Charge:
    id: str
    amount: Decimal
    when: datetime


class Receipt(pydantic.BaseModel):
    charge: Charge | None = None
    lines: tuple[int, ...] = ()


class Plan(Enum):
    PRO = "pro"


class Row(TypedDict):
    at: datetime


NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
CHARGE = Charge("c1", Decimal("9.99"), NOW)


def charge() -> Charge:
    return CHARGE


def charges() -> list[Charge]:
    return [CHARGE]


def by_name() -> "dict[str, Charge]":
    return {"a": CHARGE}


def receipt() -> Receipt:
    return Receipt(charge=CHARGE, lines=(1, 2))


def pair() -> tuple[int, str]:
    return 1, "a"


def plan() -> Plan:
    return Plan.PRO


def day() -> date:
    return date(2024, 5, 1)


def span() -> timedelta:
    return timedelta(hours=1)


def unique() -> UUID:
    return UUID(int=7)


def maybe() -> Charge | None:
    return None


def names() -> set[str]:
    return {"a", "b"}


def row() -> Row:
    return {"at": NOW}


async def later() -> Charge:
    return CHARGE


class Service:
    def charge(self) -> Charge:
        return CHARGE

    def __call__(self) -> Charge:
        return CHARGE


RESULTS: dict[str, tuple[Callable[[], Any], Any]] = {
    "dataclass": (charge, CHARGE),
    "list of dataclasses": (charges, [CHARGE]),
    "text annotation": (by_name, {"a": CHARGE}),
    "model": (receipt, Receipt(charge=CHARGE, lines=(1, 2))),
    "tuple": (pair, (1, "a")),
    "enum": (plan, Plan.PRO),
    "date": (day, date(2024, 5, 1)),
    "timedelta": (span, timedelta(hours=1)),
    "uuid": (unique, UUID(int=7)),
    "optional": (maybe, None),
    "set": (names, {"a", "b"}),
    "typed dict": (row, {"at": NOW}),
    "async def": (later, CHARGE),
    "method": (Service().charge, CHARGE),
    "callable object": (Service(), CHARGE),
    "partial": (functools.partial(charge), CHARGE),
}


@pytest.mark.parametrize("name", RESULTS)
async def test_the_result_is_the_same_on_the_first_run_and_on_resume(name: str) -> None:
    body, expected = RESULTS[name]
    seen: list[Any] = []

    async def function(ctx: Any) -> None:
        seen.append(await ctx.step.run("a", body))

    bench = Bench(function)
    assert isinstance(await bench.execute(), Completed)
    (checkpoint,) = bench.committer.of("k")
    assert isinstance(await Bench(function).execute(run_of(checkpoints={"a": checkpoint[4]})), Completed)
    assert seen == [expected, expected]
    assert type(seen[0]) is type(seen[1]) is type(expected)


async def test_without_an_annotation_both_get_the_plain_form() -> None:
    seen: list[Any] = []

    async def function(ctx: Any) -> None:
        seen.append(await ctx.step.run("a", lambda: (1, {"x": CHARGE})))

    await Bench(function).execute()
    assert seen == [[1, {"x": {"id": "c1", "amount": "9.99", "when": NOW}}]], "round-tripped, not the body's own object"


async def test_a_wrong_annotation_is_reported_once_and_does_not_fail_the_finished_step(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def wrong() -> Charge:
        return None  # type: ignore[return-value]

    async def function(ctx: Any) -> Any:
        return [await ctx.step.run("a", wrong), await ctx.step.run("b", wrong)]

    with caplog.at_level(logging.WARNING, "bgjobs.worker"):
        outcome = await Bench(function).execute()
    assert isinstance(outcome, Completed)
    assert outcome.value == [None, None]
    assert len([record for record in caplog.records if "does not fit its return annotation" in record.message]) == 1


def test_plain_annotations_cost_nothing() -> None:
    def plain() -> dict[str, list[int]] | None:
        return None

    def bare(): ...  # type: ignore[no-untyped-def]

    assert restorer_of(plain) is None
    assert restorer_of(bare) is None
    assert restorer_of(len) is None


def test_an_annotation_that_nothing_can_restore_is_left_alone() -> None:
    class Strange:
        pass

    def strange() -> Strange:
        return Strange()

    def unknown() -> "NowhereDefined":  # type: ignore[name-defined]  # noqa: F821
        return None

    assert restorer_of(strange) is None
    assert restorer_of(unknown) is None
