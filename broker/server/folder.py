"""The folder of an own server: data, log, the lock that keeps a second server off, the note of where it listens.

The lock is handed down to the server process and so lives exactly as long as that process: a lock without a server, or
a server without a lock, cannot be left behind by any crash.
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import ServerBusy

POLL = 0.02  # seconds between two looks at the lock
PATIENCE = 5.0  # seconds that an orphaned server gets to end by itself
GRACE = 2.0  # seconds until a lock whose owner is alive counts as taken, and not as one that is just being given up
TAIL = 64 * 1024  # bytes of the log worth reading
LOG_LIMIT = 4 * 1024 * 1024  # bytes after which the log of earlier starts is dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the folder says about the server on it.

    Attributes:
        url: where it listens.
        pid: the server's process id.
        owner: the process that started it and will stop it.
    """

    url: str
    pid: int
    owner: int


class ServerFolder:
    """One folder, used by at most one server at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.log = path / "server.log"
        self._lock = path / "lock"
        self._note = path / "server.json"

    def prepare(self) -> None:
        """Create what is missing, readable only by its owner, and keep the folder out of version control."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data.mkdir(mode=0o700, exist_ok=True)
        (self.path / ".gitignore").write_text("*\n")
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.unlink()

    def lock(self) -> int:
        """Take the lock.

        A server whose owner is gone gets a moment to end by itself and is then told to.

        Returns:
            The descriptor that holds the lock. It is to be inherited by the server and then closed here.

        Raises:
            ServerBusy: the owner of the server on this folder is alive, or the server does not end.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._await_lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _await_lock(self, descriptor: int) -> None:
        begin = time.monotonic()
        told = False
        while not _try_lock(descriptor):
            note = self.read_note()
            waited = time.monotonic() - begin
            if note is not None and _alive(note.owner) and waited > GRACE:
                raise ServerBusy(str(self.path), note.owner, note.url)
            if waited > 2 * PATIENCE:
                raise ServerBusy(str(self.path), note.pid if note else 0, note.url if note else "URL")
            if waited > PATIENCE and note is not None and not told:
                with suppress(ProcessLookupError):
                    os.kill(note.pid, signal.SIGTERM)
                told = True
            time.sleep(POLL)

    def running(self) -> Note | None:
        """The note of the server that runs on this folder now; None if there is none."""
        if sys.platform == "win32":
            return None
        try:
            descriptor = os.open(self._lock, os.O_RDWR)
        except OSError:
            return None
        try:
            return None if _try_lock(descriptor) else self.read_note()
        finally:
            os.close(descriptor)

    def read_note(self) -> Note | None:
        try:
            return Note(**json.loads(self._note.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write_note(self, note: Note) -> None:
        """Say where the server listens, in one piece: a reader sees the old note or the new one."""
        fresh = self._note.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(note)))
        fresh.replace(self._note)

    def remove_note(self) -> None:
        self._note.unlink(missing_ok=True)

    def log_tail(self, lines: int) -> list[str]:
        """The last `lines` lines of the server's log; none if there is no log."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - TAIL))
                return log.read().decode(errors="replace").splitlines()[-lines:]
        except OSError:
            return []


def _try_lock(descriptor: int) -> bool:
    import fcntl  # Windows has none; only clients run there

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
