"""How packed commands get to the server and replies come back: one blocking way, one for event loops."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any

from redis.exceptions import RedisError, ResponseError

from .connection import Endpoint
from .conversation import Ask, ExchangeFailed
from .defaults import MIB
from .failures import wants_new_connection


class SyncWire:
    """For threads: each exchange takes a connection for itself, so that threads never share one.

    Idle connections are kept here: taking one out of redis-py's pool and giving it back costs half as much again as the
    exchange itself.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float) -> None:
        self._pool: Any = endpoint.sync_pool(timeout=timeout)
        self._idle: deque[Any] = deque()
        self._closed = False

    def exchange(self, ask: Ask) -> list[Any]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        replies: list[Any] = []
        sent = False
        try:
            connection.connect()
            if _has_leftovers(connection):
                connection.connect()
            sent = True
            connection.send_packed_command([ask.payload])
            read = connection.read_response
            for _ in range(ask.count):
                try:
                    replies.append(read())
                except ResponseError as error:
                    if wants_new_connection(error):
                        self._drop_idle()
                        raise
                    replies.append(error)
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise ExchangeFailed(error, sent=sent, replies=replies) from error
        except BaseException:
            # Half an exchange leaves replies behind that the next user would take for its own.
            connection.disconnect()
            raise
        finally:
            self._idle.append(connection)
            if self._closed:
                self._drop_idle()
        return replies

    def _drop_idle(self) -> None:
        while True:
            try:
                connection = self._idle.pop()  # one at a time: another thread may be taking them, too
            except IndexError:
                return
            connection.disconnect()

    def close(self) -> None:
        """Close every connection."""
        self._closed = True
        self._drop_idle()


def _has_leftovers(connection: Any) -> bool:
    """Whether an idle connection was closed by the server, or holds what nobody asked for; it is closed then."""
    try:
        if not connection.can_read():
            return False
    except (RedisError, OSError):
        pass
    connection.disconnect()
    return True


class _Queued:
    """An exchange that waits for its turn."""

    __slots__ = ("ask", "future", "sent")

    def __init__(self, ask: Ask, future: asyncio.Future[list[Any]]) -> None:
        self.ask = ask
        self.future = future
        self.sent = False


class LoopWire:
    """For the tasks of one event loop: one connection, one exchange at a time.

    What tasks ask for while an exchange is under way goes out together in the next one: a thousand concurrent sends
    need one connection and a few round trips. A lone exchange runs in the task that asked; if it is cancelled, it costs
    a reconnect and nobody else. A joint exchange runs in a task of its own, which no caller's cancellation reaches.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        # Time-outs are set per exchange, below: cheaper than redis-py's, which are per reply, and exact.
        self._pool: Any = endpoint.async_pool(timeout=None)
        self._idle: list[Any] = []  # one, and those that were needed apart
        self._busy = False
        self._queue: deque[_Queued] = deque()
        self._joint: asyncio.Task[None] | None = None

    async def exchange(self, ask: Ask) -> list[Any]:
        if ask.apart:
            return await self._exchange(ask.payload, ask.count, ask.seconds)
        if self._busy:
            return await self._take_turn(ask)
        self._busy = True
        try:
            return await self._exchange(ask.payload, ask.count, ask.seconds)
        finally:
            self._go_on()

    async def _take_turn(self, ask: Ask) -> list[Any]:
        queued = _Queued(ask, asyncio.get_running_loop().create_future())
        self._queue.append(queued)
        try:
            async with asyncio.timeout(ask.seconds):
                return await queued.future
        except TimeoutError as error:
            raise ExchangeFailed(TimeoutError(f"no reply for {ask.seconds:.3g} s"), sent=queued.sent) from error

    def _go_on(self) -> None:
        if self._queue:
            self._joint = asyncio.get_running_loop().create_task(self._exchange_jointly())
        else:
            self._busy = False

    async def _exchange_jointly(self) -> None:
        batch: list[_Queued] = []
        size = 0
        while self._queue and size < MIB:
            queued = self._queue.popleft()
            if not queued.future.done():  # its task may have given up: then nothing is sent
                queued.sent = True
                batch.append(queued)
                size += len(queued.ask.payload)
        try:
            if batch:
                await self._settle(batch)
        finally:
            self._go_on()

    async def _settle(self, batch: list[_Queued]) -> None:
        payload = b"".join([queued.ask.payload for queued in batch])
        count = sum([queued.ask.count for queued in batch])
        failed: ExchangeFailed | None = None
        try:
            replies = await self._exchange(payload, count, max([queued.ask.seconds for queued in batch]))
        except ExchangeFailed as error:
            failed, replies = error, list(error.replies)
        start = 0
        for queued in batch:
            own = replies[start : start + queued.ask.count]
            start += queued.ask.count
            if queued.future.done():
                continue
            if failed is not None and len(own) < queued.ask.count:
                queued.future.set_exception(ExchangeFailed(failed.cause, sent=failed.sent, replies=own))
            else:
                queued.future.set_result(own)

    async def _exchange(self, payload: bytes, count: int, seconds: float) -> list[Any]:
        connection = self._idle.pop() if self._idle else self._pool.make_connection()
        replies: list[Any] = []
        sent = False
        try:
            async with asyncio.timeout(seconds):
                await connection.connect()
                if await _has_leftovers_async(connection):
                    await connection.connect()
                sent = True
                await connection.send_packed_command([payload])
                await self._read(connection, count, replies)
        except TimeoutError as error:
            await connection.disconnect(nowait=True)
            raise ExchangeFailed(TimeoutError(f"no reply for {seconds:.3g} s"), sent=sent, replies=replies) from error
        except (RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise ExchangeFailed(error, sent=sent, replies=replies) from error
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            self._idle.append(connection)
        return replies

    async def _read(self, connection: Any, count: int, replies: list[Any]) -> None:
        read = connection.read_response
        for _ in range(count):
            try:
                replies.append(await read(timeout=math.inf))
            except ResponseError as error:
                if wants_new_connection(error):
                    await self.aclose()
                    raise
                replies.append(error)

    async def aclose(self) -> None:
        """Close every connection."""
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)


async def _has_leftovers_async(connection: Any) -> bool:
    """As `_has_leftovers`."""
    try:
        # Before redis-py 8 it had the other name.
        look = getattr(connection, "can_read", None) or connection.can_read_destructive
        if not await look():
            return False
    except (RedisError, OSError):
        pass
    await connection.disconnect(nowait=True)
    return True
