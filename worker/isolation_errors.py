"""What ends an attempt in a process of its own, besides what its function does. Retried like any failed attempt.

::

    IsolatedProcessEnded   the process ended by itself: a crash of native code, os._exit, the kernel's memory killer
    MemoryExceeded         it held more than its function may, and was killed
"""

from __future__ import annotations

from ..broker.errors import BgjobsError


class IsolatedProcessEnded(BgjobsError):
    """The process of an isolated function ended before the function did.

    Args:
        how: how it ended, such as "was ended by SIGSEGV".
    """

    default_remedy = "Look for crashes of native libraries, calls of os._exit, and the system's log for memory kills."

    def __init__(self, how: str) -> None:
        super().__init__(f"The process that ran the function {how}.")
        self.args = (how,)


class MemoryExceeded(BgjobsError, MemoryError):
    """The process of an isolated function held more memory than the function may.

    Args:
        held: bytes that were resident.
        limit: bytes that it may hold.
    """

    default_remedy = "Raise `bgjobs.ProcessIsolation(memory=...)`, or make the work smaller."

    def __init__(self, held: int, limit: int) -> None:
        super().__init__(
            f"The function's process held {held / 2**20:,.0f} MiB and was killed; it may hold {limit / 2**20:,.0f} MiB."
        )
        self.args = (held, limit)
