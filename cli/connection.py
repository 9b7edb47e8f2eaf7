"""The server a command talks to, and the namespace it looks at: from the command line, the settings, or `bgjobs dev`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from .options import shared_option

if TYPE_CHECKING:
    from ..broker.conversation import Talk
    from ..broker.keys import Keys
    from ..broker.patience import Patience
    from ..broker.transitions import Call

T = TypeVar("T")


class Connection:
    """A server and a namespace, for one command.

    Args:
        url: address of the server.
        source: where the address comes from, for messages.
        namespace: what to look at.
        timeout: seconds to wait for the server per question.
    """

    def __init__(self, url: str, source: str, namespace: str, timeout: float) -> None:
        from ..broker.connection import Endpoint
        from ..broker.keys import Keys
        from ..broker.wire import SyncWire

        self.url = url
        self.source = source
        self.namespace = namespace
        self.timeout = timeout
        self.endpoint = Endpoint(url)
        self.keys: Keys = Keys(namespace)
        self._wire = SyncWire(self.endpoint, timeout=timeout)

    @property
    def address(self) -> str:
        """The server as messages name it, without its password."""
        return str(self.endpoint)

    def patience(self) -> Patience:
        """The bounded wait of one question, from now on."""
        from ..broker.patience import Patience

        return Patience(self.address, self.timeout)

    def ask(self, question: Talk[T]) -> T:
        """Carry out a question. Raises RedisUnavailable, CommandRefused."""
        from ..broker.conversation import talk

        return talk(question, self._wire)

    def do(self, call: Call[T]) -> T:
        """Carry out a transition that may be repeated. Raises RedisUnavailable, CommandRefused."""
        from ..broker.transitions.carry import carry_out

        return self.ask(carry_out(call, self.keys, self.patience()))

    def close(self) -> None:
        self._wire.close()


def connection() -> Connection:
    """The connection of the command that runs, made on first use and closed with the command."""
    context = click.get_current_context()
    kept = context.meta.get(__name__)
    if kept is None:
        kept = context.meta[__name__] = _open()
        context.call_on_close(kept.close)
    assert isinstance(kept, Connection)
    return kept


def _open() -> Connection:
    from ..broker.defaults import WAIT_FOR_REDIS_SECONDS
    from ..broker.server.discovery import running_server
    from ..broker.settings import Settings

    settings = Settings()
    found = settings.find("redis_url", shared_option("redis"))
    dev = running_server() if found is None else None
    if dev is not None:
        url, source = dev.url, dev.source
    else:
        url = settings.redis_url(shared_option("redis"))
        source = "default" if found is None else {"argument": "--redis"}.get(found.source, found.source)
    return Connection(
        url,
        source,
        settings.namespace(shared_option("namespace")),
        settings.seconds("timeout", None, WAIT_FOR_REDIS_SECONDS),
    )
