"""Enqueueing in bulk and one by one, by one process, without workers."""

from bench.measurement import Figures
from bench.peers import Peer
from bench.scenarios.scenario import Scenario, Sizes
from bench.stage import Stage


def bulk(peer: Peer, sizes: Sizes) -> Figures:
    """All jobs in batches of 1,000, and what they then take in Redis."""
    with Stage(peer, jobs=round(sizes.jobs * peer.share), size=sizes.payload) as stage:
        before = stage.server.memory()
        seconds = stage.produce("bulk")["seconds"]
        queued = (stage.server.memory() - before) / stage.jobs
        return {
            "per second": stage.jobs / seconds,
            "bytes per queued job": queued,
            "beyond the payload": queued - sizes.payload,
        }


def single(peer: Peer, sizes: Sizes) -> Figures:
    """One after the other, each accepted before the next is sent."""
    with Stage(peer, jobs=10 * sizes.samples, size=sizes.payload) as stage:
        return {"per second": stage.jobs / stage.produce("single")["seconds"]}


SCENARIOS = (
    Scenario(
        name="bulk",
        title="Bulk enqueue, one process",
        part="enqueue",
        measure=bulk,
        figure="per second",
        more_is_better=True,
    ),
    Scenario(
        name="single",
        title="Single awaited enqueue",
        part="enqueue",
        measure=single,
        figure="per second",
        more_is_better=True,
    ),
)
