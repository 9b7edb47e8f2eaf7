"""A connection on which calls wait for their replies in order, many of them on their way at a time.

For what a worker does all the time: a call takes a fifth of the time that redis-py's client takes. redis-py makes
the connection (TLS, password, database); then its transport is taken over. Who is cancelled while waiting costs nobody
anything: the reply is dropped when it comes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import hiredis
from redis import exceptions as raised

from .conversation import Word, pack

_NOT_YET = object()


class Line:
    """Calls on one connection at a time, made anew when it is lost. Never sends twice. For one event loop.

    Args:
        pool: makes connections.
        seconds: how long to wait for any reply; then the connection is given up, with everything that waits on it.
    """

    def __init__(self, pool: Any, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds
        self._session: _Session | None = None
        self._opening = asyncio.Lock()

    async def call(self, *command: Word) -> Any:
        """The reply to a command; error replies are raised, as redis-py raises them.

        Raises:
            redis.exceptions.RedisError: the error reply; ConnectionError and TimeoutError if none came.
        """
        session = self._session
        if session is None or session.lost:
            session = await self._open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        session.send(pack([command]), future)
        timer = loop.call_later(self._seconds, session.give_up, future, self._seconds)
        try:
            return await future
        finally:
            timer.cancel()

    def close(self) -> None:
        """Drop the connection, and everything that waits on it; the next call makes another one."""
        session, self._session = self._session, None
        if session is not None:
            session.drop(raised.ConnectionError("The connection was closed here."))

    async def _open(self) -> _Session:
        async with self._opening:
            session = self._session
            if session is None or session.lost:
                connection = self._pool.make_connection()
                await connection.connect()
                session = self._session = _Session(connection)
            return session


class _Session(asyncio.Protocol):
    """One connection, from the end of redis-py's handshake on."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection  # kept: it closes the transport when it goes
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._reader = hiredis.Reader(
            protocolError=raised.InvalidResponse, replyError=connection._parser.parse_error, notEnoughData=_NOT_YET
        )
        self._transport: Any = connection._writer.transport
        self._transport.set_protocol(self)
        self.lost = self._transport.is_closing()

    def send(self, payload: bytes, future: asyncio.Future[Any]) -> None:
        self._waiting.append(future)
        self._transport.write(payload)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOT_YET:
                self._answer(reply)
        except Exception as error:  # what came is no reply to anything
            self.drop(raised.ConnectionError(f"The server's replies can't be read: {error}"))

    def _answer(self, reply: Any) -> None:
        future = self._waiting.popleft()
        if future.done():
            return
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.drop(raised.ConnectionError(str(exc) if exc else "Connection closed by server."))

    def give_up(self, future: asyncio.Future[Any], seconds: float) -> None:
        """Its time is over: no reply that is still to come can be trusted to come soon."""
        if not future.done():
            future.set_exception(raised.TimeoutError(f"no reply for {seconds:.3g} s"))
            self.drop(raised.ConnectionError("The connection was given up: a reply before this one is overdue."))

    def drop(self, error: Exception) -> None:
        """Close the connection and tell everybody who waits."""
        self.lost = True
        self._transport.abort()
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)
