"""Starts a real supervisor in a process of its own, with toy children, and looks at what they wrote down."""

import functools
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import waiting

#: A machine with a handful of test processes may take long to start one more.
until = functools.partial(waiting.until, timeout=30.0)
ROOT = Path(__file__).resolve().parents[2]

_START = """
import json, sys
from bgjobs.worker import logs
from bgjobs.worker.options import WorkerOptions
from bgjobs.worker.supervisor import Supervisor
options = WorkerOptions.from_dict(json.loads(sys.argv[1]))
logs.configure(options.log_level, options.log_format)
sys.exit(Supervisor(options, command=(sys.executable, "-m", "tests.worker.children.toy")).run())
"""


@dataclass
class Note:
    """One line of the children's diary."""

    what: str
    pid: int
    started_us: int


def hear_hangups() -> None:
    """A supervisor that was started under nohup ignores SIGHUP, as it should; tests may run under it, too."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class ToySupervisor:
    def __init__(self, folder: Path, behaviour: dict[str, Any], **options: Any) -> None:
        self.diary = folder / "diary"
        self.diary.touch()
        self.log = folder / "log"
        target = json.dumps({**behaviour, "diary": str(self.diary)})
        told = {
            "target": target,
            "redis_url": "redis://:secret@toy",
            "metrics_port": 0,
            "shutdown_timeout": 5.0,
            **options,
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps(told)],
                cwd=ROOT,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=hear_hangups,
            )

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def notes(self, what: str) -> list[Note]:
        lines = [line.split() for line in self.diary.read_text().splitlines()]
        return [Note(words[0], int(words[1]), int(words[2])) for words in lines if words[0] == what]

    def wait_for_children(self, count: int) -> list[int]:
        """Wait until so many have started in all; their pids in order of start."""
        until(lambda: len(self.notes("started")) >= count, what=f"{count} started; log:\n{self.log.read_text()}")
        return [note.pid for note in self.notes("started")]

    def url(self, path: str) -> str:
        until(lambda: self.said("/metrics"), what="the metrics server is announced")
        line = next(line for line in self.log.read_text().splitlines() if "/metrics" in line)
        return line.split("metrics: ")[1].split("/metrics")[0] + path

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url(path), timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, line_start: str) -> float | None:
        """The value of the one sample whose line starts so."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(line_start):
                return float(line.rsplit(" ", 1)[1])
        return None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = 30.0) -> int:
        return self.process.wait(timeout)

    def close(self) -> None:
        """Nothing that this test started survives it."""
        self.process.kill()
        self.process.wait()
        for note in self.notes("started"):
            if alive(note.pid):
                os.kill(note.pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie whose parent is gone waits for init to collect it, and does nothing any more.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return Path("/proc").exists() is False
