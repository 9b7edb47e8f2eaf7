"""What it costs that ten functions listen for an event instead of one."""

from dataclasses import replace

from bench.measurement import Figures
from bench.peers import Peer
from bench.scenarios.drain import drain
from bench.scenarios.scenario import Scenario, Sizes, ours
from bench.stage import Stage

_TIMES = 10


def ten_functions(peer: Peer, sizes: Sizes) -> Figures:
    """A drain of events that become ten runs each."""
    events = max(sizes.jobs // _TIMES, 100)
    shapes = replace(peer, app="bench.apps.bgjobs_shapes")
    with Stage(shapes, jobs=events * _TIMES, size=sizes.payload, BENCH_SHAPE="fan") as stage:
        figures = drain(stage, 1, event="fan", jobs=events, first=0)
    return {
        "runs per second": figures["per second"],
        "events per second": figures["per second"] / _TIMES,
        "Redis CPU us per run": figures["Redis CPU us per job"],
        "worker CPU us per run": figures["worker CPU us per job"],
        "bytes per finished run": figures["bytes per finished job"],
    }


SCENARIOS = (
    Scenario(
        name="fan-out",
        title="Fan-out: one event, ten functions",
        part="work",
        measure=ten_functions,
        figure="runs per second",
        more_is_better=True,
        applies=ours,
    ),
)
