"""A PostgreSQL of its own for peers that need one: Debian's `postgresql` with the settings it ships, so with fsync."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_START_SECONDS = 30.0
_INSTALLED = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`: the newest that Debian installed, or on PATH; None if there is none."""
    if versions := [each for each in _INSTALLED.glob("*/bin") if (each / "initdb").exists()]:
        return max(versions, key=lambda each: int(each.parent.name))
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class Postgres:
    """One server process on a free port of the loopback interface, gone with the block."""

    def __enter__(self) -> Self:
        folder = programs()
        if folder is None:
            raise RuntimeError("PostgreSQL is not installed here (Debian: apt-get install postgresql)")
        self._scratch = tempfile.TemporaryDirectory(prefix="bench-postgres-")
        here = Path(self._scratch.name)
        # It refuses to run as root; Debian's package brings a user for it.
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(here, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{port}/bench"
        data = here / "data"
        initialise: list[str | Path] = [folder / "initdb", "--pgdata", data, "--auth", "trust", "-U", "postgres"]
        subprocess.run(initialise, check=True, capture_output=True, cwd=here, **self._as)
        options = ("-p", str(port), "-k", str(here), "-c", "listen_addresses=127.0.0.1")
        self._log = here / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [folder / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=here, **self._as
            )
        self._wait(folder / "pg_isready", port)
        return self

    def _wait(self, is_ready: Path, port: int) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while subprocess.run([is_ready, "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode:
            if time.monotonic() > deadline or self._process.poll() is not None:
                said = self._log.read_text()
                self.__exit__(None, None, None)
                raise RuntimeError(f"PostgreSQL does not start:\n{said}")
            time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGQUIT)  # its children end, too; it waits for nobody
        self._process.wait()
        self._scratch.cleanup()
