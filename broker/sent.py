"""How many events this process has sent, for whoever shows its metrics."""

from __future__ import annotations

import threading


class SentTally:
    """Counts accepted events, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def add(self, events: int = 1) -> None:
        """So many events were accepted."""
        with self._lock:
            self.count += events


events_sent = SentTally()
