"""Ticks of cron expressions and intervals: across changes of daylight saving time, and after standing still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgjobs.define.cron import (
    GRACE_MS,
    MISSED_CAP,
    Due,
    cron_timetable,
    due_ticks,
    interval_timetable,
)
from bgjobs.define.errors import InvalidCron

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata",
    "Africa/Casablanca", "Pacific/Chatham",
)  # fmt: skip
HOUR = 3_600_000
DAY = 24 * HOUR

moments = st.integers(
    int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2035, 1, 1, tzinfo=UTC).timestamp())
)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def ticks(expression: str, zone: str, after: str, count: int) -> list[str]:
    table = cron_timetable(expression, zone)
    found, at = [], ms(after)
    for _ in range(count):
        at = table.next_after(at)
        found.append(datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).isoformat())
    return found


def test_a_time_that_does_not_exist_ticks_once_at_the_jump() -> None:
    assert ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", 3) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
        "2026-03-31T02:30:00+02:00",
    ]


def test_a_time_that_comes_twice_ticks_once() -> None:
    assert ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00+02:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]
    # Asked about in the hour that comes again: the tick was before.
    assert ticks("30 2 * * *", "Europe/Berlin", "2026-10-25T02:10+01:00", 1) == ["2026-10-26T02:30:00+01:00"]


def test_every_hour_goes_on_by_elapsed_time() -> None:
    assert ticks("30 * * * *", "Europe/Berlin", "2026-10-25T01:00+02:00", 4) == [
        "2026-10-25T01:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ]
    assert ticks("0 * * * *", "Europe/Berlin", "2026-03-29T00:30+01:00", 2) == [
        "2026-03-29T01:00:00+01:00",
        "2026-03-29T03:00:00+02:00",
    ]


@settings(max_examples=60)
@given(st.sampled_from(ZONES), moments, st.integers(0, 23), st.integers(0, 59))
def test_a_daily_time_ticks_once_on_each_day(zone: str, start: int, hour: int, minute: int) -> None:
    """Whatever the zone does in two weeks: one tick for each local day, at that time or at the end of the gap."""
    table = cron_timetable(f"{minute} {hour} * * *", zone)
    place, at, days = ZoneInfo(zone), start * 1000, []
    for _ in range(14):
        at = table.next_after(at)
        local = datetime.fromtimestamp(at / 1000, place)
        days.append(local.date())
        wanted = local.replace(hour=hour, minute=minute, second=0, fold=0)
        exists = wanted.astimezone(UTC).astimezone(place).replace(tzinfo=None) == wanted.replace(tzinfo=None)
        assert not exists or (local.hour, local.minute) == (hour, minute)
    assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(days)), days


@settings(max_examples=60)
@given(st.sampled_from(ZONES), moments, st.sampled_from(["* * * * *", "*/15 * * * *", "7 * * * *", "0 */6 * * *"]))
def test_the_next_tick_depends_on_the_time_alone(zone: str, start: int, expression: str) -> None:
    """From any moment between two ticks the next one is the same, so that all workers agree (R57)."""
    table = cron_timetable(expression, zone)
    first = table.next_after(start * 1000)
    second = table.next_after(first)
    assert first > start * 1000
    for at in (first, first + 1, (first + second) // 2, second - 1000, second - 1):
        assert table.next_after(at) == second
    assert table.last_before(second) == first


@given(st.integers(1_000, 10 * DAY), st.integers(0, 2**41), st.integers(0, 2**41))
def test_intervals(every: int, anchor: int, now: int) -> None:
    tick = interval_timetable(every, anchor).next_after(now)
    assert tick > now
    assert tick > anchor
    assert (tick - anchor) % every == 0
    assert tick - every <= max(now, anchor)
    table = interval_timetable(every, anchor)
    assert table.last_before(table.next_after(tick)) == tick
    assert table.last_before(anchor + every) is None


MINUTELY = cron_timetable("* * * * *")
DAILY = cron_timetable("0 8 * * *", "Europe/Berlin")


def test_missed_ticks() -> None:
    """R57."""
    tick, now = ms("2026-06-01T08:00+02:00"), ms("2026-06-04T09:30+02:00")
    latest, following = ms("2026-06-04T08:00+02:00"), ms("2026-06-05T08:00+02:00")
    assert due_ticks(DAILY, tick, now, "last") == Due(fire=(latest,), next=following, skipped=True)
    assert due_ticks(DAILY, tick, now, "all") == Due(
        fire=(tick, tick + DAY, tick + 2 * DAY, latest), next=following, skipped=False
    )
    assert due_ticks(DAILY, tick, now, "skip") == Due(fire=(), next=following, skipped=True)
    assert due_ticks(DAILY, tick, tick + GRACE_MS, "skip").fire == (tick,)
    assert due_ticks(DAILY, tick, tick - 1, "last") == Due(fire=(), next=tick, skipped=False)


def test_a_year_of_standing_still_is_looked_at_from_its_end() -> None:
    now = ms("2026-06-01T08:00:30+00:00")
    due = due_ticks(MINUTELY, now - 365 * DAY - 30_000, now, "all")
    assert len(due.fire) == MISSED_CAP
    assert due.fire[-1] == now - 30_000
    assert due.skipped


@settings(max_examples=60)
@given(moments, st.integers(0, 400), st.sampled_from(["last", "all", "skip"]))
def test_missed_ticks_are_those_between(start: int, count: int, policy: str) -> None:
    first = MINUTELY.next_after(start * 1000)
    now = first + count * 60_000 + 59_999
    due = due_ticks(MINUTELY, first, now, policy)  # type: ignore[arg-type]
    expected = [first + index * 60_000 for index in range(count + 1)]
    assert list(due.fire) == (expected[-MISSED_CAP:] if policy == "all" else expected[-1:])
    assert due.next == expected[-1] + 60_000
    assert due.skipped == (len(expected) > len(due.fire))


def test_a_tick_of_an_expression_that_has_changed_still_fires() -> None:
    assert due_ticks(DAILY, ms("2026-06-01T05:00+02:00"), ms("2026-06-01T05:01+02:00")).fire == (
        ms("2026-06-01T05:00+02:00"),
    )


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("61 * * * *", "minute field '61'"),
        ("0 25 * * *", "hour field '25'"),
        ("0 0 32 * *", "day of month field '32'"),
        ("0 0 1 13 *", "month field '13'"),
        ("0 0 * * 8", "day of week field '8'"),
        ("0 0 * * someday", "day of week field 'someday'"),
        ("*/0 * * * *", r"minute field '\*/0'"),
        ("R * * * *", "minute field 'R'"),
        ("0 H(0-7) * * *", "hour field"),
        ("* * *", "3 fields"),
        ("* * * * * *", "6 fields"),
        ("", "0 fields"),
        ("0 0 31 2 *", "never comes"),
        ("@reboot", "can't be read"),
        (5, "of type int"),
    ],
)
def test_says_what_is_wrong(expression: str, named: str) -> None:
    with pytest.raises(InvalidCron, match=named) as refused:
        cron_timetable(expression)
    assert refused.value.remedy


@pytest.mark.parametrize("zone", ["", "Mars", "../etc/passwd", "/etc/passwd", "Europe", "a\0b"])
def test_unknown_zones(zone: str) -> None:
    with pytest.raises(InvalidCron, match="no time zone"):
        cron_timetable("* * * * *", zone)


def test_too_short_an_interval() -> None:
    with pytest.raises(InvalidCron, match="too short"):
        interval_timetable(999, 0)


@given(st.text(alphabet="0123456789*/,-?LHRW# @abmondjafri", max_size=20))
def test_any_expression_ticks_or_is_refused(expression: str) -> None:
    try:
        table = cron_timetable(expression)
    except InvalidCron:
        return
    assert table.next_after(0) > 0
