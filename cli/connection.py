"""The server a command talks to, and the namespace it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from .options import shared_option

if TYPE_CHECKING:
    from ..broker.client import Client
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
        self._client: Client | None = None

    @property
    def address(self) -> str:
        """The server as messages name it, without its password."""
        return str(self.endpoint)

    @property
    def client(self) -> Client:
        """A client of this namespace, made on first use."""
        if self._client is None:
            from ..broker.client import Client

            self._client = Client(self.url, namespace=self.namespace, timeout=self.timeout)
        return self._client

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
        if self._client is not None:
            self._client.close()
        self._wire.close()


def connection() -> Connection:
    """The connection of the command that runs, made on first use and closed with the command."""
    context = click.get_current_context().find_root()
    kept = context.meta.get(__name__)
    if kept is None:
        kept = context.meta[__name__] = _open()
        context.call_on_close(kept.close)
    assert isinstance(kept, Connection)
    return kept


def _open() -> Connection:
    from ..broker.defaults import WAIT_FOR_REDIS_SECONDS
    from ..broker.server.discovery import find_server
    from ..broker.settings import Settings

    settings = Settings()
    server = find_server(shared_option("redis"), settings=settings)
    return Connection(
        server.url,
        server.source,
        settings.namespace(shared_option("namespace")),
        settings.seconds("timeout", None, WAIT_FOR_REDIS_SECONDS),
    )
