"""Jobs are counted in files that worker processes map into their memory."""

import os
import subprocess
import sys
from pathlib import Path

from bench.stamps import FOLDER, JOBS, Marks

JOB = "import sys; from bench.stamps import mark; [mark(int(job)) for job in sys.argv[1:]]"


def work(folder: Path, *jobs: int) -> None:
    """A worker process that does these jobs, of ten."""
    environment = {**os.environ, FOLDER: str(folder), JOBS: "10"}
    subprocess.run([sys.executable, "-c", JOB, *map(str, jobs)], env=environment, check=True)


def test_processes_are_counted_together(tmp_path: Path) -> None:
    """Each has a file; a job that two did counts once, with its later time."""
    work(tmp_path, 2, 3)
    marks = Marks(tmp_path, range(2, 6))
    assert marks.count() == 2
    assert not marks.all_done()
    work(tmp_path, 3, 4, 5)
    assert marks.all_done()
    first, second = sorted(marks.firsts())
    assert marks.last()[1] == second > first


def test_a_file_that_is_being_written_for_the_first_time_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(b"\x01" * 12)
    assert Marks(tmp_path, range(10)).count() == 0
