"""Where one measurement of one peer takes place: its own Redis, its workers, its producer, its stamps."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from bench.peers import ROOT, Peer
from bench.server import Server
from bench.stamps import FOLDER, JOBS, WARM_UP, Marks

_LOOK_SECONDS = 0.05  # between two looks: the harness shares the machine with what it measures
_SLOWEST_SECONDS = 300.0
_CALM_COMMANDS = 20  # in a look; some workers poll every 5 ms
_CALM_SECONDS = 2.0  # then it counts as calm: some never are


class Stage:
    """Set up with `with`; afterwards nothing of it is left.

    Args:
        peer: who is measured.
        jobs: how many jobs are measured.
        size: bytes of a job's data as JSON.
        batch: jobs per bulk send.
        variables: of the environment of its workers and producers.
    """

    def __init__(self, peer: Peer, *, jobs: int, size: int, batch: int = 1_000, **variables: str) -> None:
        self.peer, self.jobs, self.size, self.batch = peer, jobs, size, batch
        self.measured = range(WARM_UP, WARM_UP + jobs)
        self.server = Server(peer.appendfsync)
        self._variables = variables
        self._workers: list[subprocess.Popen[bytes]] = []
        self._sets_of_stamps = 0

    def __enter__(self) -> Self:
        self._scratch = tempfile.TemporaryDirectory(prefix="bench-")
        self._folder = Path(self._scratch.name)
        self.server.__enter__()
        self.new_stamps()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self.server.__exit__(kind, error, traceback)
        self._scratch.cleanup()

    # -- stamps ------------------------------------------------------------------------------------------------------

    def new_stamps(self) -> None:
        """Workers that are started from now on write their stamps into a fresh folder."""
        self._sets_of_stamps += 1
        self._stamps.mkdir()

    @property
    def _stamps(self) -> Path:
        return self._folder / f"stamps-{self._sets_of_stamps}"

    def marks(self, jobs: range | None = None) -> Marks:
        """What ran, of the measured jobs if none are named."""
        return Marks(self._stamps, jobs or self.measured)

    # -- workers -----------------------------------------------------------------------------------------------------

    def start(self, processes: int = 1, **variables: str) -> None:
        """Start worker processes as the peer's users do."""
        environment = {**self._environment(), **self.peer.variables, **variables}
        for command in self.peer.commands(processes):
            with (self._folder / f"worker-{len(self._workers)}.log").open("wb") as log:
                self._workers.append(
                    subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
                )

    def ready(self) -> None:
        """Wait until the workers have run some jobs."""
        self.produce("single", jobs=WARM_UP, first=0)
        self.until(self.marks(range(WARM_UP)).all_done, what="the first jobs ran")

    def stop(self) -> None:
        """Have all workers end by themselves."""
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.wait(timeout=_SLOWEST_SECONDS)
        self._workers.clear()

    def kill(self) -> None:
        """End all workers and their children by SIGKILL."""
        for worker in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        self._workers.clear()

    def processes(self) -> list[psutil.Process]:
        """The workers and all their children."""
        found = [psutil.Process(worker.pid) for worker in self._workers]
        return found + [child for each in list(found) for child in each.children(recursive=True)]

    def worker_cpu_seconds(self) -> float:
        """CPU time that the workers have used."""
        times = [each.cpu_times() for each in self.processes()]
        return sum(float(spent.user + spent.system) for spent in times)

    def worker_memory(self) -> int:
        """Bytes of memory of the workers; what they share is counted once."""
        return sum(int(each.memory_full_info().pss) for each in self.processes())

    # -- enqueueing --------------------------------------------------------------------------------------------------

    @property
    def ids(self) -> Path:
        """Where the producer of a peer that keeps its runs notes their ids."""
        return self._folder / "ids.json"

    def produce(self, do: str, **spec: Any) -> dict[str, Any]:
        """Have the peer's producer enqueue, in a process of its own; the measured jobs if nothing else is said."""
        given = {"do": do, "producer": self.peer.producer, "first": WARM_UP, "jobs": self.jobs, "size": self.size}
        told = json.dumps({**given, "batch": self.batch, **spec})
        done = subprocess.run(
            self.peer.producing(told), cwd=ROOT, env=self._environment(), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"the producer failed\n{done.stderr[-3000:]}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "BENCH_REDIS": self.server.url,
            "BENCH_CONCURRENCY": str(self.peer.concurrency),
            "BGJOBS_REDIS_URL": self.server.url,
            "DOCKET_URL": self.server.url,
            "RQ_REDIS_URL": self.server.url,
            FOLDER: str(self._stamps),
            JOBS: str(WARM_UP + self.jobs),
            **self._variables,
        }

    # -- waiting -----------------------------------------------------------------------------------------------------

    def until_calm(self) -> None:
        """Wait for what follows the last body: its commit, acknowledgements. Then almost nothing is sent any more."""
        called, deadline = self.server.commands().total(), time.monotonic() + _CALM_SECONDS
        while time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            before, called = called, self.server.commands().total()
            if called - before < _CALM_COMMANDS:
                return

    def until(self, condition: Callable[[], bool], *, what: str, timeout: float = _SLOWEST_SECONDS) -> None:
        """Wait for a condition. Raises RuntimeError, with the end of the workers' logs, if it does not come true."""
        deadline = time.monotonic() + timeout
        while not condition():
            ended = any(worker.poll() is not None for worker in self._workers)
            if ended or time.monotonic() > deadline:
                logs = "\n".join(log.read_text()[-3000:] for log in sorted(self._folder.glob("*.log")))
                why = "a worker ended" if ended else f"not within {timeout:.0f} s"
                raise RuntimeError(f"{why}: {what}\n{logs}")
            time.sleep(_LOOK_SECONDS)
