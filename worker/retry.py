"""How long to wait before the next attempt: exponential back-off with jitter, as a pure function."""

from __future__ import annotations

from ..define.policies import Backoff

#: Beyond it every wait is the longest, and a float would overflow.
_MOST_DOUBLINGS = 150


def delay_after(failures: int, backoff: Backoff, chance: float) -> float:
    """Seconds to wait after a failure: first x factor^(failures - 1), at most `longest`, varied by `jitter`.

    With the defaults: 5 s, 10 s, 20 s ... up to an hour, each up to 20 % shorter or longer, so that runs which failed
    together do not come back together.

    Args:
        failures: attempts that have failed so far, from 1.
        backoff: the numbers.
        chance: drawn from [0, 1).
    """
    grown = backoff.first * backoff.factor ** min(max(0, failures - 1), _MOST_DOUBLINGS)
    return min(backoff.longest, grown) * (1 + backoff.jitter * (2 * chance - 1))
