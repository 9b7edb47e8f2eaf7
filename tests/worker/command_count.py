"""Counts the commands that clients send, as MONITOR shows them; what scripts call inside is not counted."""

import threading
from collections import Counter
from types import TracebackType
from typing import Any, Self

import redis


class CommandCount:
    """Counts between entering and leaving, for one server. `sent` is read at any time."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._monitor: Any = self._client.monitor()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.by_name: Counter[str] = Counter()

    @property
    def sent(self) -> int:
        return self.by_name.total()

    def _watch(self) -> None:
        try:
            with self._monitor as watching:
                self._ready.set()
                for command in watching.listen():
                    if command["client_type"] != "lua":
                        self.by_name[command["command"].split(" ", 1)[0].upper()] += 1
        except (redis.RedisError, OSError, ValueError, AttributeError):
            return  # closed

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()
