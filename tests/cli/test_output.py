"""What people and programs read: times, lengths, JSON, aligned tables."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import click
import pytest

from bgjobs.broker.model import RunState
from bgjobs.cli import output, times

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.25, "250ms"),
        (1, "1s"),
        (9.54, "9.5s"),
        (59.6, "1m"),
        (61, "1m 1s"),
        (3_600, "1h"),
        (3_725, "1h 2m"),
        (2 * 86_400 + 5 * 3_600, "2d 5h"),
        (-1, "0ms"),
    ],
)
def test_lengths(seconds: float, text: str) -> None:
    assert times.length(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "now"), (-0.4, "now"), (5, "5s ago"), (90, "1m ago"), (-7_300, "in 2h"), (200_000, "2d ago")],
)
def test_relative_times(seconds: float, text: str) -> None:
    assert times.ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_an_unknown_time_is_a_dash() -> None:
    assert times.ago(None) == times.exact(None) == times.between(NOW, None) == "-"


@dataclass(frozen=True)
class Thing:
    state: RunState
    at: datetime
    _secret: str = "x"


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (RunState.FAILED, "failed"),
        (NOW, "2026-01-31T12:00:00Z"),
        (datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))), "2026-01-31T12:00:00Z"),
        (b"\xff\x00", {"$base64": "/wA="}),
        ({1: (b"a",)}, {"1": [{"$base64": "YQ=="}]}),
        (Thing(RunState.QUEUED, NOW), {"state": "queued", "at": "2026-01-31T12:00:00Z"}),
        ([None, True, 1.5], [None, True, 1.5]),
    ],
)
def test_values_as_json(value: Any, json: Any) -> None:
    assert output.plain(value) == json


def test_a_piped_table_is_aligned_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    output.table(("id", "state"), [[long, click.style("failed", fg="red")], ["b", "ok"]], empty="")
    head, first, second = capsys.readouterr().out.splitlines()
    assert click.unstyle(head) == "ID" + " " * 300 + "STATE"
    assert click.unstyle(first) == f"{long}  failed"
    assert second == "b" + " " * 301 + "ok"


def test_long_values_are_cut_on_one_line() -> None:
    assert output.short({"a": "x\ny"}) == '{"a": "x\\ny"}'
    assert output.compact("a\n  b") == "a b"
    assert output.compact("x" * 100, 10) == "x" * 9 + "…"


def test_numbers_that_json_lacks_stay_readable_by_strict_parsers() -> None:
    text = output.json_text({"x": [float("nan"), float("-inf"), 1.5]})
    assert text == '{"x": [{"$float": "nan"}, {"$float": "-inf"}, 1.5]}'
