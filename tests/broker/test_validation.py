"""What an event may look like (R14)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bgjobs.broker import validation
from bgjobs.broker.defaults import MAX_EVENT_BYTES
from bgjobs.broker.durations import InvalidDuration
from bgjobs.broker.errors import ConfigurationError, EventTooLarge, InvalidEvent, ResendTooLate, TooFarAhead, UsageError
from bgjobs.broker.ids import EventIds, is_generated
from bgjobs.broker.outgoing import Checks, Outgoing

NOW = 1_700_000_000.0


def fields(event: Outgoing) -> dict[str, Any]:
    words = event.command("stream")[3:]
    return dict(zip(words[::2], words[1::2], strict=True))  # type: ignore[arg-type]


@pytest.fixture
def checks() -> Checks:
    return Checks(now=lambda: NOW)


@pytest.mark.parametrize("name", ["order/created", "a", "A.b_c-d:e/f/1", "x" * 128])
def test_good_names(name: str) -> None:
    assert validation.event_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "x" * 129, "a b", "/a", "a/", "a//b", "ä", "order/*", "a\n", "a\0b", 5, None, b"a"]
)
def test_bad_names(name: Any) -> None:
    with pytest.raises(InvalidEvent) as raised:
        validation.event_name(name)
    assert "order/created" in raised.value.remedy


def test_reserved_names_are_refused() -> None:
    with pytest.raises(InvalidEvent, match="reserved"):
        validation.event_name("bgjobs/invoke")


@pytest.mark.parametrize("value", ["", "x" * 201, "a\0b", "a\n", "\ud800", 5, b"x"])
def test_bad_ids_and_keys(value: Any) -> None:
    with pytest.raises(InvalidEvent):
        validation.event_id(value)
    with pytest.raises(InvalidEvent):
        validation.partition_key(value)


def test_size(checks: Checks) -> None:
    checks.event("a/b", b"x" * (MAX_EVENT_BYTES - 5))
    with pytest.raises(EventTooLarge, match=r"'a/b' takes 524,\d+ bytes; at most 524,288"):
        checks.event("a/b", b"x" * MAX_EVENT_BYTES)


def test_times(checks: Checks) -> None:
    year = 365 * 86_400
    assert validation.due(None, None, NOW) == validation.NOW
    assert validation.due("1 minute", None, NOW) == (60.0, 0)
    assert validation.due(timedelta(days=365), None, NOW) == (float(year), 0)
    assert validation.due(None, NOW + 1.5, NOW) == (0.0, 1_700_000_001_500)
    assert validation.due(None, datetime.fromtimestamp(NOW + 60, UTC), NOW) == (0.0, 1_700_000_060_000)
    assert validation.due(None, NOW - 10, NOW) == validation.NOW
    for bad in ({"delay": "366 days"}, {"at": NOW + year + 1}):
        with pytest.raises(TooFarAhead):
            checks.event("a/b", **bad)
    for bad in ({"delay": 1, "at": NOW}, {"delay": -1}, {"delay": "soon"}, {"at": datetime(2030, 1, 1)}):  # noqa: DTZ001
        with pytest.raises((UsageError, InvalidDuration)):
            checks.event("a/b", **bad)  # type: ignore[arg-type]


def test_fields_keep_one_order(checks: Checks) -> None:
    """The stream stores equal field sets once."""
    full = checks.event("a/b", 1, id="i", delay=60, key="k", trace="00-x")
    full.resent = True
    words = full.command("stream", due_ms=5)
    assert words[:3] == ("XADD", "stream", "*")
    assert words[3::2] == ("n", "i", "d", "t", "k", "x", "r")
    assert tuple(fields(checks.event("a/b"))) == ("n", "i", "g", "d")
    assert tuple(fields(checks.invocation("shop/f"))) == ("n", "i", "g", "d", "f")


def test_a_supplied_id_is_not_marked_as_generated(checks: Checks) -> None:
    assert "g" not in fields(checks.event("a/b", id="order-1"))
    assert is_generated(fields(checks.event("a/b"))["i"])


def test_a_generated_id_may_be_sent_again_for_two_minutes(checks: Checks) -> None:
    """R2: then its duplicate would no longer be recognised, and the error says so."""
    make = EventIds(now_ns=lambda: int((NOW - 119) * 1e9))
    again = fields(checks.event("a/b", id=make()))
    assert (again["g"], again["r"]) == ("1", "1")
    late = EventIds(now_ns=lambda: int((NOW - 121) * 1e9))()
    with pytest.raises(ResendTooLate, match="121 s ago"):
        checks.event("a/b", id=late)
    with pytest.raises(ResendTooLate):
        checks.invocation("shop/f", id=late)


def test_invocations_of_two_functions_may_share_an_id(checks: Checks) -> None:
    """R1: all invocations share one event name; the function makes a supplied id its own."""
    first, second = (fields(checks.invocation(function, id="x"))["i"] for function in ("shop/f", "shop/g"))
    assert first != second


@pytest.mark.parametrize(("value", "app", "key"), [("shop/f", None, "shop/f"), ("f", "shop", "shop/f")])
def test_function_keys(value: str, app: str | None, key: str) -> None:
    assert validation.function_key(value, app) == key


@pytest.mark.parametrize("value", ["f", "/f", "shop/", "a b/f", "shop/f\0"])
def test_bad_function_keys(value: str) -> None:
    with pytest.raises(UsageError):
        validation.function_key(value)


@pytest.mark.parametrize("value", ["", "a b", "a:b", "{x}", "x" * 65])
def test_bad_namespaces(value: str) -> None:
    with pytest.raises(ConfigurationError):
        validation.namespace(value)


class Typed:
    event_name = "order/created"

    def event_data(self) -> dict[str, int]:
        return {"amount": 5}


def test_typed_events(checks: Checks) -> None:
    event = checks.event(Typed())
    assert event.name == "order/created"
    with pytest.raises(UsageError, match="brings its data"):
        checks.event(Typed(), {"amount": 6})
    with pytest.raises(InvalidEvent):
        checks.event(Typed)  # type: ignore[arg-type]
    with pytest.raises(InvalidEvent):
        checks.event(None)  # type: ignore[arg-type]
