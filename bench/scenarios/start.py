"""From the start of a worker's command to the body of a job that waits for it."""

import time

from bench.measurement import Figures
from bench.peers import Peer
from bench.scenarios.scenario import Scenario, Sizes
from bench.stage import Stage


def cold(peer: Peer, sizes: Sizes) -> Figures:
    """One job waits; the worker's code is in the page cache, as after a deploy."""
    with Stage(peer, jobs=1, size=sizes.payload) as stage:
        stage.produce("single")
        begun = time.monotonic_ns()
        stage.start()
        marks = stage.marks()
        stage.until(marks.all_done, what="the job ran")
        return {"s to the first job": (marks.last()[0] - begun) / 1e9}


SCENARIOS = (
    Scenario(
        name="start",
        title="Cold start to the first job",
        part="work",
        measure=cold,
        figure="s to the first job",
        more_is_better=False,
    ),
)
