"""A bounded wait for the server: try again with growing, jittered pauses, and give up with a clear error."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from .defaults import BACKOFF_FIRST_SECONDS, BACKOFF_LIMIT_SECONDS
from .errors import CommandRefused, RedisUnavailable
from .failures import Failure, classify, described


class Patience:
    """How long one call waits for the server, counted from its construction.

    Args:
        address: the server as messages name it (without password).
        seconds: how long to wait.
    """

    __slots__ = ("_address", "_monotonic", "_pause", "_random", "_seconds", "_started", "ambiguous")

    def __init__(
        self,
        address: str,
        seconds: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._address = address
        self._seconds = seconds
        self._monotonic = monotonic
        self._random = random
        self._pause = BACKOFF_FIRST_SECONDS
        self._started = monotonic()
        self.ambiguous = False  # whether anything was sent that got no reply

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return self._monotonic() - self._started

    @property
    def remaining(self) -> float:
        """Seconds left, at least a tenth: a try that is begun gets a chance."""
        return max(0.1, self._seconds - self.elapsed)

    def pause_after(self, error: BaseException, *, sent: bool) -> float:
        """Seconds to pause before the next try.

        Raises:
            RedisUnavailable: the wait is over.
            CommandRefused: waiting does not help.
        """
        failure = classify(error, sent=sent)
        if failure is Failure.FATAL:
            raise CommandRefused(
                f"Redis at {self._address} refused: {described(error)}.", remedy=_remedy(str(error))
            ) from error
        self.ambiguous = self.ambiguous or failure is Failure.AMBIGUOUS
        left = self._seconds - self.elapsed
        if left <= 0:
            raise RedisUnavailable(
                f"Redis at {self._address} did not answer within {self._seconds:g} s ({described(error)}).",
                ambiguous=self.ambiguous,
            ) from error
        # Full pauses would let the clients of a recovered server come back in step; half of each is random.
        pause = self._pause * (0.5 + self._random() / 2)
        self._pause = min(self._pause * 2, BACKOFF_LIMIT_SECONDS)
        return min(pause, left)


def _remedy(answer: str) -> str | None:
    """What to do about a refusal that a setting explains; None: what holds in general."""
    text = answer.lower()
    if "authentication required" in text or "noauth" in text or "username-password" in text or "auth" in text.split():
        return "Check the password: in the URL, in BGJOBS_REDIS_PASSWORD, or in the file of BGJOBS_REDIS_PASSWORD_FILE."
    if "db index" in text:
        return "The URL ends in the number of a database: take one that the server has, such as /0."
    return None
