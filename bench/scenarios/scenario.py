"""What a scenario is."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.measurement import Figures
from bench.peers import OURS, Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    jobs: int  # of a drain and a bulk send
    payload: int = 200  # bytes of a job's data as JSON
    samples: int = 300  # of latencies and single sends
    patience: float = 120.0  # seconds after which in-flight jobs of a dead worker count as lost


def everyone(peer: Peer) -> bool:
    return True


def ours(peer: Peer) -> bool:
    """Only the one whose records the harness knows how to read."""
    return peer.name == OURS.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing that is measured.

    Attributes:
        name: for `--scenarios`.
        title: for the report.
        part: the peers' `parts` it belongs to.
        measure: measures one peer once; figures by name, in the order in which they are shown.
        figure: the one that is compared with the peers'.
        more_is_better: of that figure.
        applies: to whom.
        shown: figures that stand in the table; empty: all.
        waits: it mostly waits, so that several peers may be measured at the same time.
    """

    name: str
    title: str
    part: str
    measure: Callable[[Peer, Sizes], Figures]
    figure: str
    more_is_better: bool
    applies: Callable[[Peer], bool] = everyone
    shown: tuple[str, ...] = ()
    waits: bool = False
