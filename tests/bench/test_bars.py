"""What has to be reached beside the peers, and whether it is."""

import pytest

from bench.bars import BARS, Bar, needed, table, verdicts
from bench.measurement import Measurement
from bench.peers import PEERS
from bench.scenarios import SCENARIOS


def measured(peer: str, **figures: float) -> Measurement:
    named = {name.replace("_", " "): value for name, value in figures.items()}
    return Measurement(scenario="drain-1", peer=peer, round=1, figures=named)


@pytest.mark.parametrize(("ours", "word"), [(120.0, "met"), (119.0, "**not met**")])
def test_a_bar_is_a_multiple_of_the_peers_median(ours: float, word: str) -> None:
    bar = Bar(scenario="drain-1", figure="per second", least=1.2, peer="BullMQ")
    rounds = [measured("BullMQ", per_second=value) for value in (90.0, 100.0, 1000.0)]
    [verdict] = verdicts([measured("bgjobs", per_second=ours), *rounds], [bar])
    assert verdict.word == word
    assert verdict.value == pytest.approx(ours / 100)


@pytest.mark.parametrize(
    ("bar", "figure", "word"),
    [
        (Bar(scenario="drain-1", figure="us", most=15), 15.0, "met"),
        (Bar(scenario="drain-1", figure="us", most=15), 15.1, "**not met**"),
        (Bar(scenario="drain-1", figure="us", most=15, below=True), 15.0, "**not met**"),
        (Bar(scenario="drain-1", figure="us", most=20), float("inf"), "**not met**"),
    ],
)
def test_a_bar_without_a_peer_is_the_figure_itself(bar: Bar, figure: float, word: str) -> None:
    assert verdicts([measured("bgjobs", us=figure)], [bar])[0].word == word


def test_what_was_not_measured_is_not_met_either() -> None:
    """Neither without us nor without the peer."""
    bar = Bar(scenario="drain-1", figure="per second", least=1, peer="BullMQ")
    for found in ([], [measured("bgjobs", per_second=1.0)], [measured("BullMQ", per_second=1.0)]):
        assert verdicts(found, [bar])[0].word == "not measured"


def test_the_table_counts_what_is_met() -> None:
    bars = [Bar(scenario="drain-1", figure="us", most=15), Bar(scenario="drain-1", figure="ms", most=1)]
    text = table(verdicts([measured("bgjobs", us=3.0, ms=2.0)], bars))
    assert text.startswith("1 of 2 are met.")
    assert "| drain-1 | us | bgjobs | 3 |  |  | <= 15 | met |" in text


def test_bars_look_at_what_is_measured() -> None:
    """Every scenario and every peer of a bar exists, and the peer takes part in that scenario."""
    scenarios = {each.name: each for each in SCENARIOS}
    peers = {each.name: each for each in PEERS}
    for bar in BARS:
        for name in filter(None, (bar.ours, bar.peer)):
            assert scenarios[bar.scenario].part in peers[name].parts
            assert scenarios[bar.scenario].applies(peers[name])
            assert needed(bar.scenario, name)
    assert not needed("drain-1", "RQ")
