"""`bgjobs worker` as its users start it: real processes, on a real server."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from tests.worker.toy_supervisor import until

TARGETS = Path(__file__).parent / "targets"
BGJOBS = (sys.executable, "-m", "bgjobs")


class RealWorker:
    """One `bgjobs worker` command. Options are given as on the command line: `lease_ttl="1s"` is `--lease-ttl 1s`."""

    def __init__(self, folder: Path, target: str, redis_url: str, namespace: str, **options: Any) -> None:
        self.log = folder / f"log-{len(list(folder.iterdir()))}"
        told = {"metrics_port": 0, "start_at": "begin", "redis": redis_url, "namespace": namespace, **options}
        flags = [part for name, value in told.items() for part in (f"--{name.replace('_', '-')}", str(value))]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*BGJOBS, "worker", target, *flags], cwd=TARGETS, stderr=log, stdin=subprocess.DEVNULL
            )
        self._processes = int(options.get("processes", 1))

    def wait_until_ready(self) -> "RealWorker":
        until(
            lambda: self.text().count(" is ready") >= self._processes or self.process.poll() is not None,
            what=f"ready; log:\n{self.text()}",
        )
        assert self.process.poll() is None, self.text()
        return self

    def text(self) -> str:
        return self.log.read_text()

    def said(self, text: str) -> bool:
        return text in self.text()

    def children(self) -> list[int]:
        """Pids of the worker processes (not of those that they started)."""
        try:
            return [child.pid for child in psutil.Process(self.process.pid).children()]
        except psutil.NoSuchProcess:
            return []

    def url(self, path: str) -> str:
        until(lambda: self.said("/metrics"), what=f"metrics are announced; log:\n{self.text()}")
        line = next(line for line in self.text().splitlines() if "/metrics" in line)
        return line.split("metrics: ")[1].split("/metrics")[0] + path

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.url(path), timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of a name whose labels include these; 0 if there are none."""
        with urllib.request.urlopen(self.url("/metrics"), timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.partition(" ")[0].partition("{")[0] == name and all(pair in line for pair in wanted)
        )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, timeout: float = 40.0) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def close(self) -> None:
        """Nothing of it survives the test."""
        try:
            everything = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            everything = []
        self.process.kill()
        self.process.wait()
        for each in everything:
            try:
                os.kill(each.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
