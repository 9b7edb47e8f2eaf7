"""Sends transitions to the server: `Broker` from one event loop, `SyncBroker` from threads. Neither re-sends anything."""

from __future__ import annotations

from typing import TypeVar

import redis
import redis.asyncio
from redis.exceptions import NoScriptError

from .connection import Endpoint
from .keys import Keys
from .scripts import names, script
from .transitions.call import Call

T = TypeVar("T")


class Broker:
    """The transitions of one namespace, over one connection at a time.

    Calls are retried by those who know what is safe to repeat. `offset_ms` moves the time that scripts see (tests).
    """

    def __init__(self, endpoint: Endpoint, namespace: str, *, offset_ms: int = 0) -> None:
        self.endpoint = endpoint
        self.namespace = namespace
        self.keys = Keys(namespace)
        self.offset_ms = offset_ms
        self.client = endpoint.async_client()

    async def load(self) -> None:
        """Teach the server all scripts; a server that forgot them is taught again one by one as they are called."""
        for name in names():
            await self.client.script_load(script(name).text)

    async def do(self, call: Call[T]) -> T:
        """Carry out one transition."""
        chosen = script(call.script)
        arguments = (1, self.keys.anchor, str(self.offset_ms), call.argument)
        try:
            reply = await self.client.execute_command("EVALSHA", chosen.sha, *arguments)
        except NoScriptError:
            reply = await self.client.execute_command("EVAL", chosen.text, *arguments)
        return call.read(reply)

    async def reconnect(self) -> None:
        """Drop all connections, so that the next call makes new ones (a role change, a half-open connection)."""
        await self.client.connection_pool.disconnect(inuse_connections=True)

    async def aclose(self) -> None:
        await self.client.aclose()
        await self.client.connection_pool.disconnect()


class SyncBroker:
    """As `Broker`, for threads and command lines."""

    def __init__(self, endpoint: Endpoint, namespace: str, *, timeout: float | None = None, offset_ms: int = 0) -> None:
        self.endpoint = endpoint
        self.namespace = namespace
        self.keys = Keys(namespace)
        self.offset_ms = offset_ms
        self.client: redis.Redis = endpoint.sync_client(timeout=timeout) if timeout else endpoint.sync_client()

    def do(self, call: Call[T]) -> T:
        """Carry out one transition."""
        chosen = script(call.script)
        arguments = (1, self.keys.anchor, str(self.offset_ms), call.argument)
        try:
            reply = self.client.execute_command("EVALSHA", chosen.sha, *arguments)
        except NoScriptError:
            reply = self.client.execute_command("EVAL", chosen.text, *arguments)
        return call.read(reply)

    def close(self) -> None:
        self.client.close()
        self.client.connection_pool.disconnect()
