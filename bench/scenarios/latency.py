"""From the call that enqueues to the first line of the job's body: at rest, and at half of what a worker can do."""

from statistics import quantiles

from bench.measurement import Figures
from bench.peers import Peer
from bench.scenarios.drain import rate
from bench.scenarios.scenario import Scenario, Sizes
from bench.stage import Stage

_INTERVAL_SECONDS = 0.02
_LOAD_SECONDS = 3.0
_SAME_PER_SECOND = 500.0  # about half of what Celery does on two cores
_PART = 0.3  # of a drain's jobs find out what the worker can do
SHOWN = ("p50 ms", "p95 ms", "p99 ms")
_POINTS = (5, 25, 50, 75, 90, 95, 99)


def at_rest(peer: Peer, sizes: Sizes) -> Figures:
    """Single jobs with pauses between them."""
    with Stage(peer, jobs=sizes.samples, size=sizes.payload) as stage:
        stage.start()
        stage.ready()
        sent = stage.produce("paced", interval=_INTERVAL_SECONDS)["sent_ns"]
        return percentiles(waited(stage, sent))


def at_half_load(peer: Peer, sizes: Sizes) -> Figures:
    """As many jobs per second as half of what the worker has just drained, for some seconds."""
    with Stage(peer, jobs=max(round(sizes.jobs * peer.share * _PART), 500), size=sizes.payload) as stage:
        stage.produce("bulk")
        stage.start()
        marks = stage.marks()
        stage.until(marks.all_done, what="every job ran")
        half = rate(marks.last(), marks.firsts()) / 2
    return _under_load(peer, sizes, half)


def at_same_load(peer: Peer, sizes: Sizes) -> Figures:
    """As many jobs per second for everyone, however many more a peer could do."""
    return _under_load(peer, sizes, _SAME_PER_SECOND)


def _under_load(peer: Peer, sizes: Sizes, rate: float) -> Figures:
    with Stage(peer, jobs=max(round(rate * _LOAD_SECONDS), 100), size=sizes.payload) as stage:
        stage.start()
        stage.ready()
        sent = stage.produce("steady", rate=rate)["sent_ns"]
        reached = len(sent) / ((sent[-1] - sent[0]) / 1e9)
        return {"wanted per second": rate, "sent per second": reached, **percentiles(waited(stage, sent))}


def waited(stage: Stage, sent: list[int]) -> list[float]:
    """Milliseconds from each send to its job, once all have run."""
    marks = stage.marks()
    stage.until(marks.all_done, what="every job ran")
    return [(ran - begun) / 1e6 for begun, ran in zip(sent, marks.last(), strict=True)]


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """Some percentiles by interpolation, and the longest."""
    cuts = quantiles(milliseconds, n=100, method="inclusive")
    return {f"p{point} ms": cuts[point - 1] for point in _POINTS} | {"longest ms": max(milliseconds)}


SCENARIOS = (
    Scenario(
        name="latency",
        title="Enqueue to start, at rest",
        part="work",
        measure=at_rest,
        figure="p50 ms",
        more_is_better=False,
        shown=SHOWN,
    ),
    Scenario(
        name="same-load",
        title="Enqueue to start, at 500 jobs a second for everyone",
        part="work",
        measure=at_same_load,
        figure="p50 ms",
        more_is_better=False,
        shown=("sent per second", *SHOWN),
    ),
    Scenario(
        name="half-load",
        title="Enqueue to start, at half of each one's own drain rate",
        part="work",
        measure=at_half_load,
        figure="p50 ms",
        more_is_better=False,
        shown=("sent per second", *SHOWN),
    ),
)
