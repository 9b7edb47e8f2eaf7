"""A Redis or Valkey process of our own: for `bgjobs dev`, the demo and tests."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from .binary import ServerBinary, find_binary
from .errors import ServerFailed, server_not_found
from .folder import Note, ServerFolder
from .guard import Guard

# 108 bytes on Linux, 104 on macOS, of which one is the terminating zero.
SOCKET_PATH_LIMIT = 103
POLL = 0.01  # seconds between two looks at a server that starts or stops

# Kept small on purpose; deploy/redis.conf gives the reasons for the same settings in production.
SETTINGS = {
    "maxmemory-policy": "noeviction",
    "hash-max-listpack-value": "1024",
    "zset-max-listpack-entries": "32",
    "save": "",
    # Plain commands instead of a binary head: so another kind or version of server can go on with the data.
    "aof-use-rdb-preamble": "no",
}
DURABLE = {"appendonly": "yes", "appendfsync": "everysec"}


class EmbeddedServer:
    """One server process, private to this user, that never outlives the process that started it.

    It runs in its own session, so that Ctrl-C in a terminal reaches the workers only and they can still finish their
    runs. After `stop` or `kill`, `start` goes on with the same data at the same address. Not safe for use by several
    threads at a time.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        binary: ServerBinary | None = None,
        tcp: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the server; `start` starts it.

        Args:
            folder: where its data and log stay, append-only, so that a restart loses nothing. None: nothing stays.
            binary: the program; by default the one that `find_binary` finds.
            tcp: listen on a free port of the loopback interface instead of a unix socket.
            settings: further settings, as in redis.conf; they win over the built-in ones.

        Raises:
            ServerNotFound: no program is given and none is found.
        """
        self.binary = binary or find_binary()
        self._durable = folder is not None
        self._scratch = _short_folder()
        self.folder = ServerFolder((folder or self._scratch).absolute())
        self._tcp = tcp
        self._port = 0
        self._settings = {**SETTINGS, **(DURABLE if self._durable else {"appendonly": "no"}), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None

    @property
    def url(self) -> str:
        """The address for clients, the same after a restart. A TCP port is chosen at the first start."""
        return f"redis://127.0.0.1:{self._port}/0" if self._tcp else f"unix://{self._scratch / 'server.sock'}"

    @property
    def pid(self) -> int:
        """The process id of the running server; 0 if it doesn't run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def start(self, timeout: float = 60.0) -> Self:
        """Start it and wait until it answers; does nothing if it runs.

        Args:
            timeout: seconds to wait for the first answer; loading much data takes its time.

        Raises:
            ServerBusy: another process runs a server on the same folder.
            ServerFailed: it ended or did not answer; the message ends with its log. Nothing is left running.
        """
        if self.pid:
            return self
        self._release()
        try:
            self._scratch.mkdir(mode=0o700, exist_ok=True)
            self.folder.prepare()
            self._port = self._port or (_free_port() if self._tcp else 0)
            self._spawn()
            self._await_answer(time.monotonic() + timeout)
        except BaseException:
            self.kill()
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise
        self.folder.write_note(Note(url=self.url, pid=self.pid, owner=os.getpid()))
        return self

    def stop(self, timeout: float = 10.0) -> None:
        """End it cleanly, everything on disk; by force after `timeout` seconds. Does nothing if it doesn't run."""
        self._end(signal.SIGTERM, timeout)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL). Does nothing if it doesn't run."""
        self._end(signal.SIGKILL, 10.0)

    def close(self) -> None:
        """Stop it and delete what does not stay."""
        self.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def log_tail(self, lines: int = 10) -> list[str]:
        """The last lines of the server's log."""
        return self.folder.log_tail(lines)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spawn(self) -> None:
        lock = self.folder.lock()
        try:
            with self.folder.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder.data,
                    pass_fds=[lock],
                    start_new_session=True,
                )
        except OSError as error:
            raise ServerFailed(f"{self.binary} could not be started: {error}.", []) from error
        finally:
            os.close(lock)
        self._guard = Guard(self._process.pid, self._scratch)

    def _command(self) -> list[str]:
        listen = (
            {"bind": "127.0.0.1", "port": str(self._port)}
            if self._tcp
            else {"port": "0", "unixsocket": str(self._scratch / "server.sock"), "unixsocketperm": "700"}
        )
        settings = {**listen, "dir": str(self.folder.data), "daemonize": "no", **self._settings}
        return [str(self.binary.path), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def _await_answer(self, deadline: float) -> None:
        while self._process is not None and self._process.poll() is None:
            if self._answers():
                return
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.binary} does not answer.", self.log_tail())
            time.sleep(POLL)
        raise ServerFailed(f"{self.binary} ended while starting.", self.log_tail())

    def _answers(self) -> bool:
        # A bare PING: loading data, it answers -LOADING, which is not yet an answer.
        try:
            with _connect(self._scratch / "server.sock", self._port if self._tcp else 0) as connection:
                connection.settimeout(1.0)
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def _end(self, how: signal.Signals, timeout: float) -> None:
        if self._process is not None:
            if self._guard is not None:
                self._guard.dismiss()
            self._process.send_signal(how)
            self._process.send_signal(signal.SIGCONT)  # a frozen process takes no SIGTERM
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self.folder.remove_note()
        self._release()

    def _release(self) -> None:
        if self._guard is not None:
            self._guard.dismiss()
        self._guard = self._process = None


def _short_folder() -> Path:
    """A new folder for a socket, readable only by this user, with a path that the kernel accepts."""
    if not hasattr(socket, "AF_UNIX"):
        raise server_not_found()
    for parent in (tempfile.gettempdir(), "/tmp"):
        folder = Path(tempfile.mkdtemp(prefix="bgjobs-", dir=parent))
        if len(os.fsencode(folder / "server.sock")) <= SOCKET_PATH_LIMIT:
            return folder
        folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="bgjobs-", dir="/tmp"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _connect(path: Path, port: int) -> socket.socket:
    if port:
        return socket.create_connection(("127.0.0.1", port), timeout=1.0)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(1.0)
    try:
        connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection
