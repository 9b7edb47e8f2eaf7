"""The exit statuses of a worker process that mean something to its supervisor."""

from __future__ import annotations

FINE = 0
FAILED = 1
USAGE = 2  # the target or an option is wrong: trying again cannot help
UNREACHABLE = 3  # Redis was never reached
STALLED = 70  # the watchdog ended the process (EX_SOFTWARE)
