"""Durations and moments: what is read, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.define.durations import LONGEST, InvalidDuration, milliseconds, seconds, unix_time


@pytest.mark.parametrize(
    ("written", "length"),
    [
        (5, 5.0),
        (0, 0.0),
        (0.25, 0.25),
        ("90", 90.0),
        ("90s", 90.0),
        ("1h30m", 5400.0),
        ("1.5 hours", 5400.0),
        ("3 days", 259_200.0),
        ("1 day, 2 hours", 93_600.0),
        ("2 weeks", 1_209_600.0),
        ("250ms", 0.25),
        ("1.5 milliseconds", 0.0015),
        (timedelta(minutes=2), 120.0),
    ],
)
def test_reads(written: float | str | timedelta, length: float) -> None:
    assert seconds(written) == pytest.approx(length)


@pytest.mark.parametrize(
    "written",
    [
        "", "soon", "-3h", "1 month", -1, -0.001, float("nan"), float("inf"), 10**400, "9" * 5000, "9" * 5000 + "h",
        True, None, [], timedelta(seconds=-1), "101 years", 101 * 366 * 86_400, "1e3", "five minutes",
    ],
)  # fmt: skip
def test_refuses(written: object) -> None:
    with pytest.raises(InvalidDuration) as refused:
        seconds(written, what="timeout=")  # type: ignore[arg-type]
    assert str(refused.value).startswith("timeout= is ")
    assert refused.value.remedy


@given(st.text() | st.floats() | st.integers() | st.timedeltas())
def test_gives_a_length_or_refuses(written: str | float | timedelta) -> None:
    try:
        length = seconds(written)
    except InvalidDuration:
        return
    assert 0 <= length <= LONGEST
    assert isinstance(length, float)


@given(st.integers(0, 999), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_reads_what_it_is_written_as(days: int, hours: int, minutes: int, rest: int) -> None:
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=rest)
    assert seconds(f"{days}d {hours}h {minutes}m {rest}s") == expected.total_seconds()
    assert seconds(f"{days} days, {hours} hours, {minutes} minutes, {rest} seconds") == expected.total_seconds()


@given(st.integers(0, 10**11))
def test_whole_milliseconds_stay_exact(count: int) -> None:
    assert milliseconds(count / 1000) == count


@given(st.floats(0, LONGEST / 2))
def test_milliseconds_never_fire_early(length: float) -> None:
    assert milliseconds(length) >= length * 1000 - 1e-3


def test_moments() -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert unix_time(moment) == datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp()
    assert unix_time(1_700_000_000) == 1_700_000_000.0
    for wrong in (datetime(2026, 3, 1), -1, float("nan"), 10**400, 1_700_000_000_000, "tomorrow", True, None):  # noqa: DTZ001
        with pytest.raises(InvalidDuration):
            unix_time(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidDuration, match="without a zone"):
        unix_time(datetime(2026, 3, 1))  # noqa: DTZ001
