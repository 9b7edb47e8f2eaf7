"""Draining a queue that is full when the workers start."""

import time
from collections.abc import Callable
from typing import Any

from bench.peers import Peer
from bench.scenarios.scenario import Figures, Scenario, Sizes
from bench.stage import Stage

_SETTLE_SECONDS = 0.5  # for what follows the last body: its commit, acknowledgements
_STREAM = "bgjobs:{default:00}:ev"


def drain(stage: Stage, processes: int, **spec: Any) -> dict[str, float]:
    """Fill, start workers, wait until every job ran; read every run back where the peer keeps them.

    The rate counts from when every process has begun to the last job: starting Python is measured elsewhere.
    """
    peer, server = stage.peer, stage.server
    at_first = server.memory()
    stage.produce("bulk", ids=str(stage.ids), **spec)
    commands, cpu = server.commands(), server.cpu_seconds()
    stage.start(processes)
    marks = stage.marks()
    stage.until(marks.all_done, what="every job ran")
    time.sleep(_SETTLE_SECONDS)
    figures = {
        "per second": rate(marks.last(), marks.firsts()),
        "Redis commands per job": (server.commands() - commands).total() / stage.jobs,
        "Redis CPU us per job": (server.cpu_seconds() - cpu) / stage.jobs * 1e6,
        "worker CPU us per job": stage.worker_cpu_seconds() / stage.jobs * 1e6,
        "worker memory MiB": stage.worker_memory() / 2**20,
        "bytes per finished job": (server.memory() - at_first - server.bytes_of(_STREAM)) / stage.jobs,
    }
    if peer.keeps_runs:
        wrong = stage.produce("verify", producer="AsyncProducer", ids=str(stage.ids))["wrong"]
        if wrong:
            raise RuntimeError(f"{len(wrong)} runs did not complete as they should: {wrong[:3]}")
    return figures


def rate(stamps: list[int], firsts: list[int]) -> float:
    """Jobs per second from the moment when all processes had begun.

    Args:
        stamps: when each job ran, ns.
        firsts: when each process ran its first.
    """
    begun = max(firsts)
    after = [stamp for stamp in stamps if stamp > begun]
    return len(after) / ((max(after) - begun) / 1e9) if after else 0.0


def _with(processes: int) -> Callable[[Peer, Sizes], Figures]:
    def measure(peer: Peer, sizes: Sizes) -> Figures:
        with Stage(peer, jobs=round(sizes.jobs * peer.share), size=sizes.payload) as stage:
            return drain(stage, processes)

    return measure


SCENARIOS = tuple(
    Scenario(
        name=f"drain-{processes}",
        title=f"Drain with {processes} worker process" + ("es" if processes > 1 else ""),
        part="work",
        measure=_with(processes),
        figure="per second",
        more_is_better=True,
    )
    for processes in (1, 2)
)
