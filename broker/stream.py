"""Reading the event stream as one consumer of an app's group."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from redis.exceptions import ResponseError

from .connection import AsyncRedis
from .defaults import INGEST_PAUSE_MEMORY_SHARE, INGEST_TAKEOVER_SECONDS
from .keys import Keys
from .line import Line

BLOCK_MS = 5_000

Entry = tuple[bytes, dict[bytes, bytes]]


_IDLE_MS = INGEST_TAKEOVER_SECONDS * 1000


class GroupLost(Exception):
    """The app's group is not there: Redis was emptied, or a failover lost it. Register again."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """An entry that was delivered and not acknowledged in time."""

    entry: Entry
    deliveries: int


class StreamReader:
    """Reads on connections of its own: a blocking one, and one for everything else."""

    def __init__(
        self,
        blocking: Line,
        client: AsyncRedis,
        keys: Keys,
        *,
        app: str,
        consumer: str,
    ) -> None:
        self._blocking = blocking
        self._client = client
        self._keys = keys
        self._app = app
        self._consumer = consumer
        self._cursor = b"0-0"

    async def read(self, count: int, *, block_ms: int = BLOCK_MS) -> list[Entry]:
        """Up to `count` new entries; waits up to `block_ms` for the first. Raises GroupLost."""
        words = ("COUNT", count, "BLOCK", block_ms, "STREAMS", self._keys.events, ">")
        with self._group():
            try:
                reply = await self._blocking.call("XREADGROUP", "GROUP", self._app, self._consumer, *words)
            except asyncio.CancelledError:
                self._blocking.close()  # else it would still be waited for on the server, and take entries for nobody
                raise
        return [(entry, dict(zip(flat[::2], flat[1::2], strict=True))) for entry, flat in reply[0][1]] if reply else []

    async def own_pending(self, count: int = 200) -> list[Entry]:
        """Entries that were delivered to this consumer and never acknowledged. Raises GroupLost.

        Unlike reading them from the group it counts as no delivery: they can't be blamed for an outage (R11).
        """
        with self._group():
            pending = await self._client.xpending_range(
                self._keys.events, self._app, min="-", max="+", count=count, consumername=self._consumer
            )
        if not pending:
            return []
        async with self._client.pipeline(transaction=False) as pipe:
            for item in pending:
                pipe.xrange(self._keys.events, item["message_id"], item["message_id"])
            found = await pipe.execute()
        return [entry for entries in found for entry in entries]  # none for one that was trimmed

    @contextlib.contextmanager
    def _group(self) -> Iterator[None]:
        try:
            yield
        except ResponseError as error:
            if "NOGROUP" in str(error):
                raise GroupLost(self._app) from None
            raise

    async def leave(self) -> None:
        """Delete this consumer, unless something is pending on it: that would be lost (R11)."""
        pending = await self._client.xpending_range(
            self._keys.events, self._app, min="-", max="+", count=1, consumername=self._consumer
        )
        if not pending:
            await self._client.xgroup_delconsumer(self._keys.events, self._app, self._consumer)

    async def take_over(self, count: int) -> list[Overdue]:
        """Entries that are pending for too long, from where the last look ended (R11)."""
        reply = await self._client.xautoclaim(
            self._keys.events,
            self._app,
            self._consumer,
            _IDLE_MS,
            start_id=self._cursor,
            count=count,
        )
        self._cursor, entries = reply[0], [entry for entry in reply[1] if entry[1]]
        if not entries:
            return []
        ids = [entry[0] for entry in entries]
        pending = await self._client.xpending_range(
            self._keys.events,
            self._app,
            min=ids[0],
            max=ids[-1],
            count=max(count, len(ids)),
            consumername=self._consumer,
        )
        deliveries = {item["message_id"]: item["times_delivered"] for item in pending}
        return [Overdue(entry, deliveries.get(entry[0], 1)) for entry in entries]

    async def pressure(self, queues: Iterable[str], most_ready: int) -> str:
        """Why no more events should be ingested now: too many ready runs, or nearly no memory; else ""."""
        async with self._client.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.zcard(self._keys(f"q:{queue}"))
            pipe.info("memory")
            *counts, memory = await pipe.execute(raise_on_error=False)
        ready = sum(count for count in counts if isinstance(count, int))
        if ready > most_ready:
            return f"{ready:,} runs are ready, more than {most_ready:,}"
        limit = memory.get("maxmemory", 0) if isinstance(memory, dict) else 0  # a service may refuse INFO
        if limit and memory["used_memory"] > INGEST_PAUSE_MEMORY_SHARE * limit:
            return f"Redis uses {memory['used_memory']:,} of {limit:,} bytes"
        return ""


async def wait_for_bell(blocking: AsyncRedis, keys: Iterable[str], *, block_ms: int = BLOCK_MS) -> str | None:
    """Wait for a token in one of the lists, and take it. Answers the list's key; None if none came in time."""
    reply = await blocking.execute_command("BLPOP", *keys, block_ms / 1000)
    return None if reply is None else reply[0].decode()
