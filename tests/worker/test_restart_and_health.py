"""The supervisor's pure decisions: when to restart, when to recycle, what is healthy."""

from dataclasses import replace

from bgjobs.worker.recycle import reason_to_recycle, resident_bytes
from bgjobs.worker.supervisor.health import PROGRESS_WITHIN, ChildHealth, readiness
from bgjobs.worker.supervisor.restart import LONGEST_DELAY, restart_delay


def test_a_lone_death_is_replaced_at_once_and_a_series_ever_later() -> None:
    delays = [restart_delay(failures, lambda: 0.0) for failures in range(1, 12)]
    assert delays[0] == 0
    assert delays[1:4] == [0.5, 1.0, 2.0]
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY
    assert restart_delay(50, lambda: 1.0) == LONGEST_DELAY * 0.8


def test_recycling_is_asked_for_only_beyond_a_limit_that_is_set() -> None:
    none = {"max_runs": 0, "max_memory": 0}
    assert reason_to_recycle(runs_finished=10**9, resident=10**12, **none) is None
    assert reason_to_recycle(runs_finished=99, resident=0, max_runs=100, max_memory=0) is None
    assert "100 runs finished" in (reason_to_recycle(runs_finished=100, resident=0, max_runs=100, max_memory=0) or "")
    reason = reason_to_recycle(runs_finished=0, resident=600 * 2**20, max_runs=0, max_memory=512 * 2**20)
    assert reason == "600 MiB resident (--max-memory 512 MiB)"


def test_resident_memory_is_read_from_the_system() -> None:
    assert resident_bytes() > 2**20
    assert resident_bytes(2**22 + 1) == 0  # beyond every pid


HEALTHY = ChildHealth(index=0, pid=1, ready=True, stopping="", running=3, progress_age=0.1, restarts=0)


def test_ready_means_every_child_makes_progress() -> None:
    assert readiness([HEALTHY, HEALTHY], stopping=False)[0]
    for trouble in (
        {"pid": None},
        {"ready": False},
        {"progress_age": None},
        {"progress_age": PROGRESS_WITHIN + 1},
        {"stopping": "SIGTERM"},
    ):
        ok, body = readiness([HEALTHY, replace(HEALTHY, **trouble)], stopping=False)
        assert not ok
        assert body["children"][1]["trouble"]
    assert not readiness([HEALTHY], stopping=True)[0]
    assert not readiness([], stopping=False)[0]
