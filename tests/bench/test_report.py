"""What the benchmarks make of their figures."""

import pytest

from bench.report import Measurement, Spread, ratio, report, shown, spreads, table
from bench.scenarios import SCENARIOS
from bench.scenarios.drain import rate
from bench.scenarios.latency import percentiles

DRAIN = next(each for each in SCENARIOS if each.name == "drain-1")


def measured(peer: str, turn: int, per_second: float, error: str = "") -> Measurement:
    figures = {} if error else {"per second": per_second}
    return Measurement(scenario="drain-1", peer=peer, round=turn, figures=figures, error=error)


def test_the_median_stands_for_the_rounds() -> None:
    """With the least and the most beside it; what failed has no figure."""
    rounds = [measured("bgjobs", 1, 90.0), measured("bgjobs", 2, 10.0), measured("bgjobs", 3, 50.0)]
    failed = measured("RQ", 1, 0.0, error="it ended")
    assert spreads([*rounds, failed], "drain-1") == {
        "bgjobs": {"per second": Spread(median=50.0, least=10.0, most=90.0)}
    }


@pytest.mark.parametrize(
    ("ours", "theirs", "more_is_better", "times"),
    [
        (30.0, 10.0, True, 3.0),
        (2.0, 4.0, False, 2.0),
        (10.0, 30.0, True, 1 / 3),
        (17.0, float("inf"), False, float("inf")),
    ],
)
def test_above_one_we_are_ahead(ours: float, theirs: float, more_is_better: bool, times: float) -> None:
    """Whichever way the figure counts; a peer that never gets there is infinitely behind."""
    assert ratio(ours, theirs, more_is_better=more_is_better) == pytest.approx(times)


def test_the_best_stands_first() -> None:
    """Also where that isn't us."""
    text = table(DRAIN, spreads([measured("bgjobs", 1, 100.0), measured("huey", 1, 200.0)], "drain-1"))
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert rows == ["| huey | 200 | 0.5 x |", "| bgjobs | 100 |  |"]


def test_what_could_not_be_measured_is_said() -> None:
    text = report(
        [DRAIN], [measured("bgjobs", 1, 1.0), measured("RQ", 1, 0.0, error="it ended\nwhile")], {"when": "now"}
    )
    assert "drain-1, RQ: it ended" in text
    assert "while" not in text


def test_a_rate_begins_when_all_processes_have() -> None:
    """The jobs that one process did while the other still started are left out."""
    second = 1_000_000_000
    stamps = [1 * second, 2 * second, 3 * second, 4 * second, 5 * second]
    assert rate(stamps, [1 * second, 3 * second]) == 1.0


def test_figures_have_three_digits() -> None:
    assert [shown(value) for value in (26261.4, 0.5333, 12.0, float("inf"))] == ["26,261", "0.533", "12", "never"]


def test_percentiles_lie_between_samples() -> None:
    assert percentiles([float(value) for value in range(101)]) == {"p50 ms": 50.0, "p95 ms": 95.0, "p99 ms": 99.0}


def test_scenarios_have_names_of_their_own() -> None:
    names = [each.name for each in SCENARIOS]
    assert len(set(names)) == len(names)
