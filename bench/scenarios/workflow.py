"""Runs of three steps, each with a checkpoint of its own before the next begins."""

from bench.peers import Peer
from bench.scenarios.drain import drain
from bench.scenarios.latency import percentiles
from bench.scenarios.scenario import Figures, Scenario, Sizes
from bench.stage import Stage

_INTERVAL_SECONDS = 0.03


def three_steps(peer: Peer, sizes: Sizes) -> Figures:
    """A full queue of them, then single ones at rest from the send to the end of the third step."""
    with Stage(peer, jobs=sizes.jobs // 4, size=sizes.payload) as stage:
        figures = drain(stage, 1, event="steps")
    with Stage(peer, jobs=sizes.samples, size=sizes.payload) as stage:
        stage.start()
        stage.ready()
        sent = stage.produce("paced", event="steps", interval=_INTERVAL_SECONDS)["sent_ns"]
        marks = stage.marks()
        stage.until(marks.all_done, what="every workflow ended")
        took = [(ran - begun) / 1e6 for begun, ran in zip(sent, marks.last(), strict=True)]
    return figures | percentiles(took)


SCENARIOS = (
    Scenario(
        name="workflow",
        title="Three durable steps",
        part="work",
        measure=three_steps,
        figure="per second",
        more_is_better=True,
        applies=lambda peer: peer.has_steps,
    ),
)
