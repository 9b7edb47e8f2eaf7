"""What becomes of jobs whose worker is killed with SIGKILL, with the settings that the peer has by default."""

import time

from bench.peers import Peer
from bench.scenarios.scenario import Figures, Scenario, Sizes
from bench.stage import Stage

_IN_FLIGHT = 10
_GATHER_SECONDS = 2.0


def after_kill(peer: Peer, sizes: Sizes) -> Figures:
    """Jobs that don't end are killed with their worker; a new worker is there at once."""
    with Stage(peer, jobs=_IN_FLIGHT, size=sizes.payload) as stage:
        stage.start(BENCH_LINGER="1")
        stage.produce("single")
        begun = stage.marks()
        # As many as the worker takes at a time: one, for some.
        stage.until(lambda: begun.count() > 0, what="a job is in flight")
        time.sleep(_GATHER_SECONDS)
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
    ),
)
