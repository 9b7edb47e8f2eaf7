"""Sends transitions to the server: `Broker` from one event loop, `SyncBroker` from threads. Neither sends twice."""

from __future__ import annotations

from typing import TypeVar

from redis.exceptions import NoScriptError, ResponseError

from .batches import read_batch
from .connection import AsyncRedis, Endpoint, SyncRedis
from .keys import Keys
from .model import LeasedRun
from .scripts import names, script
from .transitions.call import Call
from .transitions.pumping import read_steps

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
        self._scripts = [script(name) for name in names()]  # read here: a missing file is not the server's fault
        self.client: AsyncRedis = endpoint.async_client()
        self._line = endpoint.line()

    async def load(self) -> None:
        """Teach the server all scripts; a server that forgot them is taught again one by one as they are called."""
        for each in self._scripts:
            await self.client.script_load(each.text)

    async def do(self, call: Call[T]) -> T:
        """Carry out one transition."""
        chosen = script(call.script)
        arguments = (1, self.keys.anchor, str(self.offset_ms), call.argument)
        try:
            reply = await self._line.call("EVALSHA", chosen.sha, *arguments)
        except NoScriptError:
            reply = await self._line.call("EVAL", chosen.text, *arguments)
        return call.read(reply)

    async def now_ms(self) -> int:
        """The server's time, as scripts see it."""
        seconds, microseconds = await self.client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000 + self.offset_ms

    async def inline_max(self) -> int:
        """Bytes of an event's data that the hash of its run may hold without losing its packed form; 0: keep it apart.

        At `hash-max-listpack-value 1024` a finished run with its payload inside takes less memory and a fifth less of
        Redis's time; at the default of 64 the hash would lose its packed form and take more.
        """
        try:
            found = await self.client.config_get("hash-max-listpack-value")
        except ResponseError:
            return 0
        value = int(found.get(b"hash-max-listpack-value", found.get("hash-max-listpack-value", 0)))
        return value if value >= 256 else 0

    async def read_rest(self, run: LeasedRun) -> None:
        """Read what did not come with a run's lease: checkpoints that were too many (R50), the events of a batch."""
        if run.kind == "batch":
            await read_batch(self.client, self.keys, run)
        cursor = 0
        if not run.steps_elsewhere:
            return
        while True:
            cursor, fields = await self.client.hscan(self.keys.steps(run.id), cursor, count=100)
            read_steps(run, fields)
            if cursor == 0:
                return

    async def reconnect(self) -> None:
        """Drop all connections, so that the next call makes new ones (a role change, a half-open connection)."""
        self._line.close()
        await self.client.connection_pool.disconnect(inuse_connections=True)

    async def aclose(self) -> None:
        self._line.close()
        await self.client.aclose()
        await self.client.connection_pool.disconnect()


class SyncBroker:
    """As `Broker`, for threads and command lines."""

    def __init__(self, endpoint: Endpoint, namespace: str, *, timeout: float | None = None, offset_ms: int = 0) -> None:
        self.endpoint = endpoint
        self.namespace = namespace
        self.keys = Keys(namespace)
        self.offset_ms = offset_ms
        self.client: SyncRedis = endpoint.sync_client(timeout=timeout) if timeout else endpoint.sync_client()

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
