"""In which order who is measured in what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.bars import needed
from bench.peers import Peer
from bench.scenarios.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A scenario in a round, with those who are measured in it one after the other."""

    round: int  # from 1
    scenario: Scenario
    peers: tuple[Peer, ...]


def turns(peers: Sequence[Peer], scenarios: Sequence[Scenario], rounds: int, *, whole: int) -> Iterator[Turn]:
    """Peers take turns within each round, and another one begins each time: what drifts, drifts for all.

    Args:
        peers, scenarios: what there is to measure.
        rounds: how many rounds.
        whole: how many rounds, from the first, have everyone; the others have those that a bar compares.
    """
    for number in range(1, rounds + 1):
        for scenario in scenarios:
            some = [each for each in peers if scenario.part in each.parts and scenario.applies(each)]
            if number > whole:
                some = [each for each in some if needed(scenario.name, each.name)]
            first = (number - 1) % len(some) if some else 0
            if some:
                yield Turn(round=number, scenario=scenario, peers=(*some[first:], *some[:first]))
