"""When each job ran, written by worker processes into files of their own, read by the harness. Redis has no part in it.

A file has 8 bytes per job: CLOCK_MONOTONIC in ns, which all processes of a machine share, or 0. Standard library only:
the writing side runs in every peer's environment.
"""

import mmap
import os
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

FOLDER = "BENCH_STAMPS"  # environment variables of worker processes
JOBS = "BENCH_JOBS"
WARM_UP = 20  # jobs 0 to 19 show that a worker works; what is measured comes after
BEGAN = 0  # of those: in its place, some jobs without a warm-up say when the first of them began

_slots: memoryview | None = None


def mark(job: int) -> None:
    """Say that a job's body runs now. Safe in threads: every job has a place of its own."""
    global _slots
    if _slots is None:
        _slots = _open()
    _slots[job] = time.monotonic_ns()


def _open() -> memoryview:
    # Opened at the first job, so that a worker which forks has a file per process.
    size = 8 * int(os.environ[JOBS])
    path = Path(os.environ[FOLDER]) / f"{os.getpid()}-{time.monotonic_ns()}"
    with path.open("xb+") as file:
        file.truncate(size)
        return memoryview(mmap.mmap(file.fileno(), size)).cast("Q")


class Marks:
    """The reading side: the jobs `first` to `first + number` of all files in a folder."""

    def __init__(self, folder: Path, jobs: range) -> None:
        self._folder = folder
        self._jobs = jobs
        self._reached = 0

    def processes(self) -> list[Sequence[int]]:
        """Per process, the stamps of the jobs."""
        found: list[Sequence[int]] = []
        for path in sorted(self._folder.iterdir()):
            written = path.read_bytes()
            if len(written) >= 8 * self._jobs.stop:  # else it is being written for the first time
                found.append(array("Q", written[8 * self._jobs.start : 8 * self._jobs.stop]))
        return found

    def all_done(self) -> bool:
        """Whether each job ran. Looks at each job once: it may be asked often."""
        processes = self.processes()
        while self._reached < len(self._jobs) and any(stamps[self._reached] for stamps in processes):
            self._reached += 1
        return self._reached == len(self._jobs)

    def last(self) -> list[int]:
        """The latest stamp of each job; 0 if it never ran."""
        processes = self.processes()
        return [max(each) for each in zip(*processes, strict=True)] if processes else [0] * len(self._jobs)

    def count(self) -> int:
        """How many jobs ran."""
        return sum(1 for stamp in self.last() if stamp)

    def firsts(self) -> list[int]:
        """The first stamp of each process that ran any."""
        return [min(filter(None, stamps)) for stamps in self.processes() if any(stamps)]
