"""Policies of arrival while worker processes are killed with -9: counted by what the bodies noted, outside of Redis."""

import asyncio
import os
import signal
from collections import defaultdict
from pathlib import Path

from bgjobs import AsyncClient, NewEvent
from tests.waiting import until_async
from tests.worker.conftest import StartWorker

EVENTS = 600


def runs_of(file: Path, function: str) -> dict[str, set[str]]:
    """Run -> the lists of events with which its body was called; more than once, if its worker died."""
    found = defaultdict(set)
    for line in file.read_text().splitlines() if file.exists() else []:
        name, run, numbers = line.split(" ")
        if name == f"arriving/{function}":
            found[run].add(numbers)
    return found


async def test_counts_hold_while_processes_are_killed(
    redis_url: str, namespace: str, start_worker: StartWorker, tmp_path: Path
) -> None:
    """R37, R41: each event in one batch, one run per idempotency key, as many runs as the rate limit lets pass."""
    file = tmp_path / "notes"
    workers = [start_worker("arriving:app", lease_ttl="2s") for _ in range(2)]
    for worker in workers:
        await asyncio.to_thread(worker.wait_until_ready)
    async with AsyncClient(redis_url, namespace=namespace, app="arriving") as client:
        for first in range(0, EVENTS, 100):
            rows = [{"file": str(file), "n": n, "same": n % 60} for n in range(first, first + 100)]
            await client.send_many([NewEvent("row", row) for row in rows])
            worker = workers[first // 100 % 2]
            await until_async(lambda seen=first: len(runs_of(file, "load")) > seen / 20, timeout=60)
            for pid in worker.children():
                os.kill(pid, signal.SIGKILL)

        def all_loaded() -> bool:
            return len(loaded(file)) == EVENTS

        await until_async(all_loaded, timeout=150)
        await until_async(lambda: len(runs_of(file, "once")) == 60, timeout=60)
        await until_async(lambda: len(runs_of(file, "few")) == 50, timeout=60)
    batches = runs_of(file, "load")
    assert all(len(calls) == 1 for calls in batches.values())  # a batch that is run again has the same events
    assert sorted(loaded(file)) == list(range(EVENTS))
    assert (len(runs_of(file, "once")), len(runs_of(file, "few"))) == (60, 50)
    assert max(numbers.count(",") + 1 for calls in batches.values() for numbers in calls) == 10


def loaded(file: Path) -> list[int]:
    """The events in all batches."""
    return [int(n) for calls in runs_of(file, "load").values() for numbers in calls for n in numbers.split(",")]
