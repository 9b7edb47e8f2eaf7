"""From the call that enqueues to the first line of the job's body, when nothing else happens."""

from statistics import quantiles

from bench.peers import Peer
from bench.scenarios.scenario import Figures, Scenario, Sizes
from bench.stage import Stage

_INTERVAL_SECONDS = 0.02


def at_rest(peer: Peer, sizes: Sizes) -> Figures:
    """Single jobs with pauses between them."""
    with Stage(peer, jobs=sizes.samples, size=sizes.payload) as stage:
        stage.start()
        stage.ready()
        sent = stage.produce("paced", interval=_INTERVAL_SECONDS)["sent_ns"]
        marks = stage.marks()
        stage.until(marks.all_done, what="every job ran")
        return percentiles([(ran - begun) / 1e6 for begun, ran in zip(sent, marks.last(), strict=True)])


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """p50, p95 and p99 by interpolation."""
    cuts = quantiles(milliseconds, n=100, method="inclusive")
    return {"p50 ms": cuts[49], "p95 ms": cuts[94], "p99 ms": cuts[98]}


SCENARIOS = (
    Scenario(
        name="latency",
        title="Enqueue to start, at rest",
        part="work",
        measure=at_rest,
        figure="p50 ms",
        more_is_better=False,
    ),
)
