"""What users write by mistake: each is refused where it stands, by an error that says what to write instead."""

from collections.abc import Callable
from typing import Any

import pytest

import bgjobs
from bgjobs import App, BgjobsError


def decorate(code: Any = None, **options: Any) -> Callable[[], object]:
    """Register a function with options that are wrong."""

    def apply() -> object:
        return App("x").function(**options)(code or (lambda ctx: None))

    return apply


def nameless(event: bgjobs.Event[Any]) -> bool:
    return True


MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "lambda without id": (decorate(), 'Give the function an id: @app.function("an-id")'),
    "zone None": (lambda: bgjobs.Cron("0 8 * * *", tz=None), "There is no time zone None"),  # type: ignore[arg-type]
    "filter that is a function": (
        lambda: bgjobs.event("a/b", filter=nameless),  # type: ignore[arg-type]
        "of type function, not a text",
    ),
    "misspelt function of CEL": (
        lambda: bgjobs.event("a/b", filter='event.data.name.beginsWith("x")'),
        "calls beginsWith, which CEL does not have",
    ),
    "rate limit of 0": (lambda: bgjobs.RateLimit(0, "1m"), "whole number from 1 to 100,000"),
    "rate limit over no time": (lambda: bgjobs.RateLimit(5, 0), "Give more than 0"),
    "rate limit that is a number": (decorate(id="f", rate_limit=5), "bgjobs.RateLimit(10"),
    "rate limit per nothing": (lambda: bgjobs.RateLimit(5, "1m", key="customer"), "leads nowhere"),
    "empty idempotency key": (lambda: bgjobs.Idempotency(" "), "Give a path"),
    "idempotency that is True": (decorate(id="f", idempotency=True), "Give a path such as"),
    "key that is no CEL either": (lambda: bgjobs.Idempotency("event.data.a +"), "can't be read"),
    "debounce with batch": (
        decorate(id="f", debounce=bgjobs.Debounce("1s"), batch=bgjobs.Batch(10, "1s")),
        "one keeps the last event, the other all of them",
    ),
    "debounce that is a duration": (decorate(id="f", debounce="5s"), "bgjobs.Debounce("),
    "debounce that must be shorter than it is": (
        lambda: bgjobs.Debounce("1 minute", longest="5s"),
        "`longest` that is at least its period",
    ),
    "batch of 0": (lambda: bgjobs.Batch(0, "1s"), "whole number from 1 to 1,000"),
    "batch without end": (lambda: bgjobs.Batch(10, "500 days"), "at most 365 days"),
    "batch of too many bytes": (lambda: bgjobs.Batch(10, "1s", max_bytes=10**9), "max_bytes of a batch"),
    "batch that is a number": (decorate(id="f", batch=100), "bgjobs.Batch(100"),
    "cancel_on of all events": (lambda: bgjobs.CancelOn("order/*"), "Give one event exactly"),
    "cancel_on of runs": (lambda: bgjobs.CancelOn("bgjobs/run.failed"), "Give one event exactly"),
    "cancel_on that is True": (decorate(id="f", cancel_on=True), "bgjobs.CancelOn("),
    "cancel_on without time": (lambda: bgjobs.CancelOn("order/cancelled", timeout=0), "more than 0"),
    "start_timeout of 0": (decorate(id="f", start_timeout=0), "start_timeout= is 0 s"),
    "finish_timeout that is no duration": (decorate(id="f", finish_timeout="soon"), "can't be read as a duration"),
    "address without scheme": (lambda: App("x", redis="localhost:6379"), "Write redis://HOST:6379/0"),
    "namespace of the app": (lambda: App("x", namespace="a{b}"), "letters, digits"),
    "durability of the app": (lambda: App("x", durability="disk"), '"memory", "fsync" or "replicas=N"'),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_definitions(mistake: str) -> None:
    make, says = MISTAKES[mistake]
    with pytest.raises(BgjobsError) as raised:
        make()
    assert says in f"{raised.value.what} {raised.value.remedy}"
    assert raised.value.exit_code == 2


def test_a_password_is_not_printed_with_a_bad_address() -> None:
    with pytest.raises(BgjobsError) as raised:
        App("x", redis="http://:secret@localhost")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "expression",
    ["size(event.data.items) > 1", "event.data.items.exists(i, i.price > 5)", "has(event.data.x) || !event.data.y"],
)
def test_what_cel_has_is_taken(expression: str) -> None:
    assert bgjobs.event("a/b", filter=expression).filter == expression
