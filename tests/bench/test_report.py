"""What the benchmarks make of their figures."""

import pytest

from bench.lines import LINES, Line
from bench.measurement import Measurement, Spread, points, ratio, shown, spreads
from bench.report import ahead, line_table, report, steadiness, table
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


def test_peers_that_are_ahead_are_named() -> None:
    """The best of them first; other ways of using bgjobs are no peers."""
    rates = {"bgjobs": 100.0, "huey": 200.0, "BullMQ": 400.0, "RQ": 50.0, "bgjobs asyncio": 900.0}
    found = spreads([measured(peer, 1, value) for peer, value in rates.items()], "drain-1")
    assert ahead(DRAIN, found).endswith("per second: BullMQ (0.25 x), huey (0.5 x)")
    assert ahead(DRAIN, spreads([measured("bgjobs", 1, 1.0), measured("RQ", 1, 0.5)], "drain-1")) == ""
    assert ahead(DRAIN, spreads([measured("RQ", 1, 1.0)], "drain-1")) == ""


def test_what_could_not_be_measured_is_said() -> None:
    found = [measured("bgjobs", 1, 1.0), measured("RQ", 1, 0.0, error="it ended\nwhile")]
    text = report([DRAIN], [], found, {"when": "now"}, {})
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
    found = percentiles([float(value) for value in range(101)])
    assert (found["p5 ms"], found["p50 ms"], found["p99 ms"], found["longest ms"]) == (5.0, 50.0, 99.0, 100.0)


def test_scenarios_have_names_of_their_own() -> None:
    names = [each.name for each in SCENARIOS] + [each.name for each in LINES]
    assert len(set(names)) == len(names)


def at(point: float, per_second: float) -> Measurement:
    figures = {"runs per second": per_second}
    return Measurement(scenario="backlog", peer="bgjobs", round=1, figures=figures, point=point)


def line(name: str) -> Line:
    return next(each for each in LINES if each.name == name)


def test_a_line_is_in_order() -> None:
    text = line_table(line("backlog"), points([at(1e4, 900.0), at(1e3, 1000.0)], "backlog"))
    assert text.index("| 1,000 |") < text.index("| 10,000 |")


@pytest.mark.parametrize(
    ("name", "rates", "said"),
    [
        ("backlog", {1e3: 1000.0, 1e4: 900.0}, "90% of the rate of the fastest; the bar is 80%: met."),
        ("backlog", {1e3: 700.0, 1e4: 1000.0}, "70% of the rate of the fastest; the bar is 80%: **not met**."),
        ("processes", {1: 500.0, 2: 1000.0, 4: 1500.0, 40: 650.0}, "65% of the rate at 2; the bar is 60%: met."),
        ("persistence", {0: 1000.0, 2: 100.0}, "10% of the rate of the fastest."),
        ("processes", {1: 500.0, 4: 1500.0}, ""),
        ("backlog", {1e3: 1000.0}, ""),
    ],
)
def test_a_line_says_how_much_of_its_rate_it_keeps(name: str, rates: dict[float, float], said: str) -> None:
    text = steadiness(line(name), {point: {"runs per second": rate} for point, rate in rates.items()})
    assert text.strip() == (f"The slowest point has {said}" if said else "")


def test_points_that_are_no_numbers_have_names() -> None:
    persistence = line("persistence")
    assert len(persistence.names) == len(persistence.full)
    assert "| always | 5 |" in line_table(persistence, {2.0: {"runs per second": 5.0}})


def test_pictures_stand_below_their_tables() -> None:
    text = report([DRAIN], LINES, [measured("bgjobs", 1, 1.0), at(1e3, 2.0)], {}, {"backlog": "b.svg"})
    assert "(b.svg)" in text
    assert text.index("| 1,000 |") < text.index("(b.svg)")


def test_a_table_shows_what_it_is_to_show() -> None:
    """Percentiles that only a picture needs are left out."""
    latency = next(each for each in SCENARIOS if each.name == "latency")
    figures = {"p5 ms": 1.0, "p50 ms": 2.0, "p99 ms": 3.0}
    found = [Measurement(scenario="latency", peer="bgjobs", round=1, figures=figures)]
    assert "| bgjobs | 2 | 3 |" in table(latency, spreads(found, "latency"))
