"""The synchronous client: for threads, scripts, command lines, and code inside a running event loop that may block."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar

from .connection import PerProcess
from .conversation import Talk, talk
from .durability import Durability
from .durations import Duration
from .handle import RunHandle
from .inspect.functions import FunctionInfo, read_functions
from .requests import Requests
from .verbs.controls import Controls
from .verbs.dead_letters import DeadLetters
from .verbs.events import Events
from .verbs.running import Running
from .verbs.schedules import Schedules
from .verbs.sending import Sending
from .wire import SyncWire

__all__ = ["Client", "DeadLetters", "RunHandle", "Schedules"]

T = TypeVar("T")


class Client(Sending, Running, Events):
    """Sends events and asks about runs. Safe to share between threads; a forked process gets connections of its own.

    Args:
        redis: URL of the server (``redis://``, ``rediss://``, ``unix://``); default: the setting `redis_url`.
        namespace: default: the setting `namespace`.
        app: what bare function ids refer to.
        timeout: longest wait for the server per call; then RedisUnavailable. Default: the setting `timeout`, 5 s.
        durability: of sends that say nothing else: ``memory``, ``fsync``, ``replicas=N``.

    Raises:
        ConfigurationError: one of them is not usable. Nothing is asked of the server yet.
    """

    def __init__(
        self,
        redis: str | None = None,
        *,
        namespace: str | None = None,
        app: str | None = None,
        timeout: Duration | None = None,
        durability: Durability | None = None,
    ) -> None:
        self._requests = requests = Requests(
            redis, namespace=namespace, app=app, timeout=timeout, durability=durability
        )
        self._wire = PerProcess(lambda: SyncWire(requests.endpoint, timeout=requests.timeout))

    @property
    def controls(self) -> Controls:
        """What operators change while things run: pauses, limits, set_limit, clear_limit; audit_log."""
        return Controls(self)

    @property
    def dead_letters(self) -> DeadLetters:
        """What failed for good: list, get, retry, discard, retry_all, purge."""
        return DeadLetters(self)

    @property
    def schedules(self) -> Schedules:
        """Dynamic schedules: create, list, get, pause, resume, run_now, delete."""
        return Schedules(self)

    def functions(self, app: str | None = None) -> list[FunctionInfo]:
        """Registered functions, of one app or of all."""
        return self._do(read_functions(self._requests.keys, self._requests.patience(), app))

    def _do(self, verb: Talk[T]) -> T:
        return talk(verb, self._wire.get())

    def ping(self) -> None:
        """Whether the server answers and the namespace fits. Raises RedisUnavailable, NamespaceMismatch."""
        self._do(self._requests.ping())

    def close(self) -> None:
        """Flush `send_soon` and close the connections. The client may be used again; it then opens new ones."""
        soon, self._soon = self._soon, None
        if soon is not None:
            soon.close()
        wire = self._wire.take()
        if wire is not None:
            wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._requests.namespace} at {self._requests.address}>"
