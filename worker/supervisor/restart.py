"""How long to wait before a dead child is replaced."""

from __future__ import annotations

import random
from collections.abc import Callable

#: A child that lived so long (seconds) ends a series of failures.
STEADY_AFTER = 60.0
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0


def restart_delay(failures: int, jitter: Callable[[], float] = random.random) -> float:
    """Seconds before the next start after `failures` early deaths in a row: none for the first, then 0.5 s x 2^n
    up to 30 s.

    The first death is most often a lone accident (a kill, the memory limit), so its runs should not wait. The
    jitter of up to 20 % keeps many supervisors that lost the same dependency from coming back in step.
    """
    if failures <= 1:
        return 0.0
    delay: float = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (failures - 2))
    return delay * (1.0 - 0.2 * jitter())
