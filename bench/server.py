"""A Redis of its own per measurement: Debian's redis-server with deploy/redis.conf, by default without persistence."""

import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from bench.peers import ROOT

_START_SECONDS = 10.0
_ATTEMPTS = 3
#: Commands of the harness itself.
_LOOKING = {
    "info",
    "ping",
    "hello",
    "config|get",
    "client|setinfo",
    "client|setname",
    "monitor",
    "memory|usage",
    "zcard",
    "scan",
}


class Server:
    """One server process on a free port of the loopback interface, gone with the block.

    Args:
        appendfsync: "no": without persistence; "everysec" or "always": with an append-only file.
    """

    def __init__(self, appendfsync: str = "no") -> None:
        self._persistence: tuple[str, ...] = ("--appendonly", "no", "--save", "")
        if appendfsync != "no":
            self._persistence = ("--appendonly", "yes", "--appendfsync", appendfsync, "--save", "")

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-redis-")
        for attempt in range(_ATTEMPTS):
            try:
                self._start()
                return self
            except RuntimeError:  # somebody else took the port meanwhile
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError

    def _start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        here = Path(self._folder.name)
        options = ("--port", str(self.port), "--dir", str(here), *self._persistence)
        with (here / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["redis-server", ROOT / "deploy" / "redis.conf", *options], stdout=log, stderr=log
            )
        self._client: Any = redis.Redis(port=self.port)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self._process.kill()
                self._process.wait()
                raise RuntimeError("redis-server does not start:\n" + (here / "log").read_text())
            time.sleep(0.02)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def process(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def version(self) -> str:
        return f"Redis {self._client.info('server')['redis_version']}"

    def _answers(self) -> bool:
        try:
            return bool(self._client.ping())
        except redis.ConnectionError:
            return False

    def commands(self) -> Counter[str]:
        """Calls so far by command, also those inside scripts; without the harness's own."""
        stats = self._client.info("commandstats")
        calls = {name.removeprefix("cmdstat_"): of["calls"] for name, of in stats.items()}
        return Counter({name: number for name, number in calls.items() if name not in _LOOKING})

    def cpu_seconds(self) -> float:
        """CPU time that the server has used."""
        cpu = self._client.info("cpu")
        return float(cpu["used_cpu_sys"] + cpu["used_cpu_user"])

    def memory(self) -> int:
        """Bytes of data: what the allocator gave, less the buffers of clients and the texts of scripts."""
        memory = self._client.info("memory")
        overhead = ("mem_clients_normal", "used_memory_scripts")
        return int(memory["used_memory"]) - sum(int(memory.get(name, 0)) for name in overhead)

    def bytes_of(self, key: str) -> int:
        """What one key takes; 0 if there is none."""
        return int(self._client.memory_usage(key, samples=0) or 0)

    def count_of(self, key: str) -> int:
        """Members of a sorted set."""
        return int(self._client.zcard(key))

    def count_of_all(self, pattern: str) -> int:
        """Members of all sorted sets whose key matches."""
        return sum(self.count_of(key) for key in self._client.scan_iter(match=pattern, count=10_000))


class Monitor:
    """Counts what clients send, as MONITOR shows it; it slows the server down, so nothing is timed meanwhile."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._count, daemon=True)
        self.sent = 0

    def _count(self) -> None:
        with self._socket.makefile("rb") as lines:
            try:
                # A line is `+1700000000.123456 [0 127.0.0.1:1234] "GET" ...`; of a script `[0 lua]`.
                self.sent = sum(1 for line in lines if line[:1] == b"+" and b" lua] " not in line[:40])
            except OSError:
                return

    def __enter__(self) -> Self:
        self._socket.sendall(b"MONITOR\r\n")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        self.sent -= 1  # the answer to MONITOR
