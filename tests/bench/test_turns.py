"""Who is measured when."""

from bench.peers import PEERS
from bench.scenarios import SCENARIOS
from bench.turns import turns

DRAIN = next(each for each in SCENARIOS if each.name == "drain-1")
SOME = [each for each in PEERS if each.name in {"bgjobs", "BullMQ", "RQ"}]


def names(rounds: int, *, whole: int) -> list[list[str]]:
    return [[peer.name for peer in turn.peers] for turn in turns(SOME, [DRAIN], rounds, whole=whole)]


def test_another_peer_begins_each_round() -> None:
    assert names(3, whole=3) == [["bgjobs", "BullMQ", "RQ"], ["BullMQ", "RQ", "bgjobs"], ["RQ", "bgjobs", "BullMQ"]]


def test_later_rounds_have_those_that_a_bar_compares() -> None:
    assert names(2, whole=1) == [["bgjobs", "BullMQ", "RQ"], ["BullMQ", "bgjobs"]]
    assert names(1, whole=0) == [["bgjobs", "BullMQ"]]


def test_a_scenario_without_anybody_is_left_out() -> None:
    """A peer takes part in what it is meant for only."""
    durable = [each for each in SCENARIOS if each.part == "durable"]
    assert list(turns([each for each in PEERS if each.name == "RQ"], durable, 2, whole=2)) == []
