"""What a worker costs that has nothing to do."""

import time

from bench.measurement import Figures
from bench.peers import Peer
from bench.scenarios.scenario import Scenario, Sizes
from bench.server import Monitor
from bench.stage import Stage

_SECONDS = 15.0


def at_rest(peer: Peer, sizes: Sizes) -> Figures:
    """One worker process with an empty queue."""
    with Stage(peer, jobs=1, size=sizes.payload) as stage:
        stage.start()
        stage.ready()
        stage.until_calm()
        with Monitor(stage.server.port) as monitor:
            cpu, begun = stage.worker_cpu_seconds(), time.monotonic()
            time.sleep(_SECONDS)
            spent, took = stage.worker_cpu_seconds() - cpu, time.monotonic() - begun
        return {
            "% of a core": 100 * spent / took,
            "commands sent per second": monitor.sent / took,
            "memory MiB": stage.worker_memory() / 2**20,
        }


SCENARIOS = (
    Scenario(
        name="idle",
        title="A worker at rest",
        part="work",
        measure=at_rest,
        figure="% of a core",
        more_is_better=False,
        waits=True,
    ),
)
