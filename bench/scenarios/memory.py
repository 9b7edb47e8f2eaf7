"""What an event and its run take in Redis, in each of the states in which many of them may stay."""

from collections.abc import Callable
from dataclasses import replace

from bench.measurement import Figures
from bench.peers import Peer
from bench.scenarios.drain import drain
from bench.scenarios.scenario import Scenario, Sizes, ours
from bench.scenarios.structures import BACKLOGS, QUEUE, STREAM, WAITING
from bench.server import Server
from bench.stage import Stage

_PART = 0.4  # of a drain's jobs


def per_run(peer: Peer, sizes: Sizes) -> Figures:
    """Bytes beside the event stream, payload included; what an event takes in the stream is counted apart."""
    jobs = max(round(sizes.jobs * _PART), 500)

    def grown(shape: str, event: str, there: Callable[[Server], int], *, taken: str = "") -> tuple[float, float]:
        """Per run and per event, once `there` counts all runs; `taken`: the event of a run that never ends."""
        shaped = replace(peer, app="bench.apps.bgjobs_shapes", concurrency=1 if taken == "noop" else peer.concurrency)
        with Stage(shaped, jobs=jobs, size=sizes.payload, BENCH_SHAPE=shape, BENCH_LINGER="1") as stage:
            stage.start()
            if taken:
                stage.produce("single", event=taken, jobs=1, first=0)
                stage.until(stage.marks(range(1)).all_done, what="the place is taken")
            before = stage.server.memory()
            stage.produce("bulk", event=event)
            stage.until(lambda: there(stage.server) >= jobs, what="every event has its run")
            stage.until_calm()
            events = stage.server.bytes_of(STREAM)
            return (stage.server.memory() - before - events) / jobs, events / jobs

    # A worker reads ahead of its capacity where some function has a limit.
    queued, event = grown("limited", "noop", lambda server: server.count_of(QUEUE), taken="noop")
    parked, _ = grown("limited", "limited", lambda server: server.count_of_all(BACKLOGS), taken="limited")
    waiting, _ = grown("waiting", "wait", lambda server: server.count_of_all(WAITING))
    with Stage(peer, jobs=jobs, size=sizes.payload) as stage:
        finished = drain(stage, 1)["bytes per finished job"]
    return {
        "event in the stream": event,
        "queued run": queued,
        "parked run": parked,
        "waiting run": waiting,
        "finished run": finished,
    }


SCENARIOS = (
    Scenario(
        name="memory",
        title="Bytes in Redis per event and run",
        part="work",
        measure=per_run,
        figure="finished run",
        more_is_better=False,
        applies=ours,
    ),
)
