"""What workers send to Redis per job, told apart from what scripts call inside."""

from bench.measurement import Figures
from bench.peers import Peer
from bench.scenarios.scenario import Scenario, Sizes
from bench.server import Monitor
from bench.stage import Stage

_PART = 0.2  # of the jobs: MONITOR makes everything slow


def sent(peer: Peer, sizes: Sizes) -> Figures:
    """A drain under MONITOR."""
    with Stage(peer, jobs=round(sizes.jobs * peer.share * _PART), size=sizes.payload) as stage:
        stage.produce("bulk")
        before = stage.server.commands()
        with Monitor(stage.server.port) as monitor:
            stage.start()
            stage.until(stage.marks().all_done, what="every job ran")
            stage.until_calm()
        called = (stage.server.commands() - before).total()
        return {"sent per job": monitor.sent / stage.jobs, "also in scripts": called / stage.jobs}


SCENARIOS = (
    Scenario(
        name="commands",
        title="Commands per job at depth, start of the worker included",
        part="work",
        measure=sent,
        figure="sent per job",
        more_is_better=False,
    ),
)
