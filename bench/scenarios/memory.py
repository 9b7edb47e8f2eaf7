"""What a run takes in Redis while it is queued as a run, its event read and its record made."""

from dataclasses import replace

from bench.peers import Peer
from bench.scenarios.scenario import Figures, Scenario, Sizes
from bench.stage import Stage

_STREAM = "bgjobs:{default:00}:ev"
_QUEUE = "bgjobs:{default:00}:q:bench:default"


def queued_run(peer: Peer, sizes: Sizes) -> Figures:
    """A worker whose only place is taken goes on reading events."""
    with Stage(replace(peer, concurrency=1), jobs=sizes.jobs, size=sizes.payload) as stage:
        stage.start(BENCH_LINGER="1")
        stage.produce("single", jobs=1, first=0)
        stage.until(stage.marks(range(1)).all_done, what="the worker is taken")
        before = stage.server.memory()
        stage.produce("bulk")
        stage.until(lambda: stage.server.count_of(_QUEUE) >= stage.jobs, what="every event is read")
        grown = stage.server.memory() - before
        events = stage.server.bytes_of(_STREAM)
    return {
        "bytes per queued run": (grown - events) / stage.jobs,
        "bytes per event in history": events / stage.jobs,
    }


SCENARIOS = (
    Scenario(
        name="memory",
        title="Memory of queued runs",
        part="work",
        measure=queued_run,
        figure="bytes per queued run",
        more_is_better=False,
        applies=lambda peer: peer.keeps_runs,
    ),
)
