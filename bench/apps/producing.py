"""What a producer is, and what it is asked to do. Standard library only: it runs in every peer's environment."""

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

REDIS = os.environ.get("BENCH_REDIS", "redis://127.0.0.1:6379/0")
#: Jobs don't end, so that their worker can be killed with them in flight.
LINGER = os.environ.get("BENCH_LINGER") == "1"
#: How many jobs a worker process may have at hand, where the peer has such a setting.
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "100"))
#: Seconds that a lingering job would take.
FOR_EVER = 3600

Data = dict[str, Any]


class Producer(Protocol):
    """Enqueues as the peer's documents advise. Synchronous peers don't await anything."""

    async def open(self) -> None:
        """Connect, so that connecting is not measured."""
        ...

    async def many(self, jobs: Sequence[Data]) -> None:
        """Enqueue a batch by the peer's fastest documented way."""
        ...

    async def one(self, job: Data) -> None:
        """Enqueue one job and wait until it is accepted."""
        ...

    async def close(self) -> None: ...


def payloads(first: int, number: int, size: int) -> list[Data]:
    """Jobs with their numbers, each of `size` bytes as JSON."""
    pad = "x" * max(0, size - len(json.dumps({"i": 1_000_000, "pad": ""})))
    return [{"i": job, "pad": pad} for job in range(first, first + number)]


def batches(jobs: Sequence[Data], size: int) -> Iterable[Sequence[Data]]:
    return (jobs[start : start + size] for start in range(0, len(jobs), size))
