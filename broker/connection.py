"""The one place that makes redis-py connections, with every default that matters set on purpose.

redis-py 8 re-sends each command up to ten times and gives up on any reply after 5 s unless told otherwise. Both are
wrong for writers (a re-sent command may run twice) and for blocking reads. So: no hidden re-sends, explicit time-outs,
raw bytes, and RESP2, which also keeps maintenance notifications off.
"""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401  (see below)
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
import redis.asyncio
import redis.asyncio.connection
import redis.connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from .defaults import BLOCK_MARGIN_SECONDS, BLOCK_SECONDS, CONNECT_TIMEOUT_SECONDS, SOCKET_TIMEOUT_SECONDS
from .errors import ConfigurationError
from .line import Line

T = TypeVar("T")

#: redis-py's annotations know neither that replies are bytes here nor what `execute_command` takes.
AsyncRedis: TypeAlias = Any
SyncRedis: TypeAlias = Any

# redis-py leaves these without types.
_parse_url: Callable[[str], dict[str, Any]] = redis.connection.parse_url
_parse_async_url: Callable[[str], dict[str, Any]] = cast("Any", redis.asyncio.connection.parse_url)

_SECRET_OPTIONS = frozenset({"password", "ssl_password", "ssl_keyfile"})
#: Options of a URL that would break an assumption made here.
_OURS = frozenset(
    {
        "decode_responses",
        "encoding",
        "encoding_errors",
        "legacy_responses",
        "max_connections",
        "protocol",
        "retry_on_timeout",
    }
)
_UNBOUNDED = 2**31


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server is: ``redis://``, ``rediss://`` or ``unix://``. Prints without its password.

    Raises:
        ConfigurationError: the URL cannot be understood.
    """

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        try:
            _parse_url(self.url)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                f"The Redis URL {self} is not valid: {error}.",
                remedy="Write redis://HOST:6379/0, rediss://... for TLS, or unix:///PATH.",
            ) from None

    def __str__(self) -> str:
        return redacted(self.url)

    def sync_pool(self, *, timeout: float | None = SOCKET_TIMEOUT_SECONDS) -> redis.ConnectionPool:
        """A pool for threads. It opens as many connections as threads use at once.

        Args:
            timeout: seconds to wait for any reply; None: for ever.
        """
        return redis.ConnectionPool(**_arranged(_parse_url(self.url), timeout))

    def async_pool(self, *, timeout: float | None = SOCKET_TIMEOUT_SECONDS) -> redis.asyncio.ConnectionPool:
        """A pool for the tasks of one event loop. Arguments as for `sync_pool`."""
        return redis.asyncio.ConnectionPool(**_arranged(_parse_async_url(self.url), timeout))

    def sync_client(self, *, timeout: float | None = SOCKET_TIMEOUT_SECONDS) -> redis.Redis:
        """A client for threads of this process; never re-sends."""
        return redis.Redis(connection_pool=self.sync_pool(timeout=timeout))

    def async_client(self, *, timeout: float | None = SOCKET_TIMEOUT_SECONDS) -> redis.asyncio.Redis:
        """A client for one event loop; never re-sends. Not for tasks that run user code: cancelling one in the middle
        of a command costs the connection."""
        return redis.asyncio.Redis(connection_pool=self.async_pool(timeout=timeout))

    def line(self, *, timeout: float = SOCKET_TIMEOUT_SECONDS) -> Line:
        """A line for one event loop: for what is called all the time; tasks that are cancelled don't break it.

        Args:
            timeout: seconds to wait for any reply.
        """
        return Line(self.async_pool(timeout=timeout), timeout)

    def blocking_line(self, *, block: float = BLOCK_SECONDS) -> Line:
        """A line for commands that block on the server: see `blocking_client`."""
        return self.line(timeout=block + BLOCK_MARGIN_SECONDS)

    def blocking_client(self, *, block: float = BLOCK_SECONDS) -> redis.asyncio.Redis:
        """A client for commands that block on the server for up to `block` seconds.

        It waits longer than the server blocks, because a read that is given up may have taken entries that then nobody
        has; and not for ever, because a connection can die without a sign.
        """
        return self.async_client(timeout=block + BLOCK_MARGIN_SECONDS)


def _arranged(options: dict[str, Any], timeout: float | None) -> dict[str, Any]:
    for name in _OURS:
        options.pop(name, None)
    options.setdefault("socket_connect_timeout", CONNECT_TIMEOUT_SECONDS)
    if "path" not in options:
        options.setdefault("socket_keepalive", True)
    return options | {
        "socket_timeout": timeout,
        # Threads bound it. At redis-py's limit of 100 the next command would fail instead of waiting.
        "max_connections": _UNBOUNDED,
        "protocol": 2,
        "decode_responses": False,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 0),
    }


def redacted(url: str) -> str:
    """A URL without its secrets, fit for messages and logs."""
    if "://" not in url:
        return "(no URL)"  # whatever it is, a secret may be in it
    try:
        parts = urlsplit(url)
        credentials, at, address = parts.netloc.rpartition("@")
        if at:
            user = credentials.partition(":")[0]
            credentials = f"{user}:***" if ":" in credentials else "***"
        query = urlencode(
            [(name, "***" if name in _SECRET_OPTIONS else value) for name, value in parse_qsl(parts.query)], safe="*/"
        )
        return f"{parts.scheme}://{credentials}{at}{address}{parts.path}{'?' if query else ''}{query}"
    except ValueError:
        return "(unreadable URL)"


class PerProcess(Generic[T]):
    """One value per process: a child that was forked makes its own, so that no socket is ever shared."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._held: tuple[int, T] | None = None

    def get(self) -> T:
        held = self._held
        if held is None or held[0] != os.getpid():
            held = self._held = (os.getpid(), self._make())
        return held[1]

    def take(self) -> T | None:
        """Give up the value of this process, if there is one, for closing it."""
        held, self._held = self._held, None
        return held[1] if held is not None and held[0] == os.getpid() else None


class PerLoop(Generic[T]):
    """One value per running event loop (and process).

    Values of closed loops are dropped when the next loop comes; weak references would keep them, since a connection
    refers to its loop.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._held: PerProcess[dict[asyncio.AbstractEventLoop, T]] = PerProcess(dict)

    def get(self) -> T:
        values = self._held.get()
        loop = asyncio.get_running_loop()
        value = values.get(loop)
        if value is None:
            for other in list(values):
                if other.is_closed():
                    values.pop(other, None)
            value = values[loop] = self._make()
        return value

    def take(self) -> T | None:
        """Give up the value of the running loop, if there is one, for closing it."""
        return self._held.get().pop(asyncio.get_running_loop(), None)


def _import_what_connections_import() -> None:
    """redis-py imports modules when it makes its first pool and connection. In a process that was forked while a thread
    of its parent did so, that module's import lock would be held for ever: so it is done here, without connecting."""
    for url in ("redis://127.0.0.1", "unix:///nowhere"):
        cast("Any", Endpoint(url).sync_pool()).make_connection()


_import_what_connections_import()
