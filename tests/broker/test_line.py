"""The connection that takes many calls at a time: replies find their callers, whatever becomes of the others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis import exceptions as raised

from bgjobs.broker.connection import Endpoint
from bgjobs.broker.line import Line
from tests.waiting import until_async


@pytest.fixture
async def line(redis_url: str) -> AsyncIterator[Line]:
    line = Endpoint(redis_url).line()
    yield line
    line.close()


async def test_replies_find_their_callers(line: Line) -> None:
    """Many calls at a time, in order, errors among them."""
    calls: list[Any] = [line.call("ECHO", str(number)) for number in range(100)]
    calls.insert(50, line.call("EVALSHA", "0" * 40, 0))
    replies = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(replies.pop(50), raised.NoScriptError)
    assert replies == [str(number).encode() for number in range(100)]


async def test_who_is_cancelled_takes_nobody_along(line: Line) -> None:
    """The reply that nobody waits for is dropped, and the connection stays."""
    first = await line.call("CLIENT", "ID")
    cancelled = asyncio.ensure_future(line.call("BLPOP", "nothing", 0.2))
    other = asyncio.ensure_future(line.call("ECHO", "here"))
    await until_async(lambda: line._session is not None and len(line._session._waiting) == 2)
    cancelled.cancel()
    assert await other == b"here"
    assert cancelled.cancelled()
    assert await line.call("CLIENT", "ID") == first


async def test_a_lost_connection_fails_what_is_under_way_and_is_made_anew(line: Line, redis_url: str) -> None:
    """Nothing is sent twice by itself."""
    client = await line.call("CLIENT", "ID")
    waiting = asyncio.ensure_future(line.call("BLPOP", "nothing", 60))
    killer = Endpoint(redis_url).line()
    await killer.call("CLIENT", "KILL", "ID", client)
    killer.close()
    with pytest.raises(raised.ConnectionError):
        await waiting
    assert await line.call("CLIENT", "ID") != client


async def test_an_overdue_reply_gives_the_connection_up(redis_url: str) -> None:
    """With all that waits behind it: a reply must never be taken for another one's."""
    line = Endpoint(redis_url).line(timeout=0.1)
    client = await line.call("CLIENT", "ID")
    results = await asyncio.gather(
        line.call("BLPOP", "nothing", 60), line.call("ECHO", "behind"), return_exceptions=True
    )
    assert [type(result) for result in results] == [raised.TimeoutError, raised.ConnectionError]
    assert await line.call("CLIENT", "ID") != client
    line.close()


async def test_closing_ends_what_waits(line: Line) -> None:
    waiting = asyncio.ensure_future(line.call("BLPOP", "nothing", 60))
    await until_async(lambda: line._session is not None and len(line._session._waiting) == 1)
    line.close()
    with pytest.raises(raised.ConnectionError):
        await waiting


async def test_a_server_that_is_not_there() -> None:
    line = Endpoint("redis://127.0.0.1:1/0").line()
    with pytest.raises(raised.ConnectionError):
        await line.call("PING")
