"""Draining a queue that is full when the workers start."""

import time
from collections.abc import Callable
from typing import Any

from bench.measurement import Figures
from bench.peers import Peer
from bench.scenarios.scenario import Scenario, Sizes
from bench.scenarios.structures import STREAM
from bench.stage import Stage

_ENOUGH = 0.2  # of the jobs


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
    stage.until(lambda: len(marks.firsts()) >= processes or marks.all_done(), what="every process has begun")
    begun, worker_cpu = time.monotonic_ns(), stage.worker_cpu_seconds()
    stage.until(marks.all_done, what="every job ran")
    stage.until_calm()
    ran = marks.last()
    after = sum(stamp > begun for stamp in ran)
    if after < _ENOUGH * stage.jobs:  # it was over too soon: then the start of Python has to be counted, too
        after, worker_cpu = stage.jobs, 0.0
    figures = {
        "per second": rate(ran, marks.firsts()),
        "Redis commands per job": (server.commands() - commands).total() / stage.jobs,
        "Redis CPU us per job": (server.cpu_seconds() - cpu) / stage.jobs * 1e6,
        "worker CPU us per job": (stage.worker_cpu_seconds() - worker_cpu) / after * 1e6,
        "worker memory MiB": stage.worker_memory() / 2**20,
        "bytes per finished job": (server.memory() - at_first - server.bytes_of(STREAM)) / stage.jobs,
    }
    if peer.keeps_runs:
        read_back(stage)
    return figures


def read_back(stage: Stage) -> None:
    """Read every run by its id. Raises RuntimeError if one is not completed with its own number as result."""
    answer = stage.produce("verify", producer="AsyncProducer", ids=str(stage.ids))
    if answer["wrong"]:
        raise RuntimeError(f"{len(answer['wrong'])} runs did not complete as they should: {answer['wrong'][:3]}")
    if answer["read"] != stage.jobs:
        raise RuntimeError(f"{answer['read']} runs were read back, not {stage.jobs}")


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
