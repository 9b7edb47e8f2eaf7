"""What becomes of jobs whose worker is killed with SIGKILL, with the settings that the peer has by default."""

import time

from bench.measurement import Figures
from bench.peers import Peer
from bench.scenarios.scenario import Scenario, Sizes
from bench.stage import Stage

_IN_FLIGHT = 10
_GATHER_SECONDS = 1.0  # without another body that begins: then those in flight are all that will be


def after_kill(peer: Peer, sizes: Sizes) -> Figures:
    """Jobs that don't end are killed with their worker; a new worker is there at once."""
    with Stage(peer, jobs=_IN_FLIGHT, size=sizes.payload) as stage:
        stage.start(BENCH_LINGER="1")
        stage.produce("single")
        begun = stage.marks()
        # As many as the worker takes at a time: one, for some.
        stage.until(lambda: begun.count() > 0, what="a job is in flight")
        stage.until(
            lambda: time.monotonic_ns() - max(begun.last()) > _GATHER_SECONDS * 1e9 or begun.count() == _IN_FLIGHT,
            what="those in flight are known",
        )
        in_flight = [job for job, stamp in enumerate(begun.last()) if stamp]
        stage.kill()
        killed = time.monotonic_ns()
        stage.new_stamps()
        stage.start()
        again = stage.marks()

        def back() -> list[int]:
            stamps = again.last()
            return [stamps[job] for job in in_flight if stamps[job]]

        deadline = time.monotonic() + sizes.patience
        stage.until(lambda: len(back()) == len(in_flight) or time.monotonic() > deadline, what="they run again")
        seconds = [(stamp - killed) / 1e9 for stamp in back()]
        return {
            "in flight": len(in_flight),
            "not run again": len(in_flight) - len(seconds),
            "s until the first runs again": min(seconds, default=float("inf")),
            "s until all run again": max(seconds) if len(seconds) == len(in_flight) else float("inf"),
        }


SCENARIOS = (
    Scenario(
        name="recovery",
        title="In-flight jobs after kill -9 of the worker",
        part="work",
        measure=after_kill,
        figure="s until all run again",
        more_is_better=False,
        waits=True,
    ),
)
