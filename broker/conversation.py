"""What every client verb is made of: a generator that asks the server and gets replies, knowing nothing of sockets.

A verb is written once, as a `Talk`; `talk` carries it out over a blocking wire and `talk_async` over an asyncio one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import hiredis
from redis.exceptions import ResponseError

from .failures import Failure, classify
from .patience import Patience

T = TypeVar("T")

Word: TypeAlias = bytes | str | int | float
Command: TypeAlias = tuple[Word, ...]

_pack = cast("Callable[[Command], bytes]", hiredis.pack_command)


@dataclass(frozen=True, slots=True)
class Ask:
    """Commands for the server, packed; answered by one reply per command, error replies among them as exceptions."""

    payload: bytes
    count: int  # of commands
    seconds: float  # how long to wait for the replies
    apart: bool = False  # on a connection of its own, because the commands may block


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before going on."""

    seconds: float


Talk: TypeAlias = Generator[Ask | Pause, list[Any], T]


class ExchangeFailed(Exception):
    """An exchange broke off.

    Args:
        cause: what happened.
        sent: whether the commands had left; if not, none of them was executed.
        replies: the replies that had arrived by then.
    """

    def __init__(self, cause: BaseException, *, sent: bool, replies: Sequence[Any] = ()) -> None:
        super().__init__(cause)
        self.cause = cause
        self.sent = sent
        self.replies = replies


class Wire(Protocol):
    """Carries out an `Ask`, blocking."""

    def exchange(self, ask: Ask) -> list[Any]:
        """One reply per command. Raises ExchangeFailed."""
        ...


class AsyncWire(Protocol):
    """Carries out an `Ask` on an event loop."""

    async def exchange(self, ask: Ask) -> list[Any]:
        """One reply per command. Raises ExchangeFailed."""
        ...


def pack(commands: Sequence[Command]) -> bytes:
    """Commands in the protocol's form, ready to be written."""
    return b"".join([_pack(command) for command in commands])


def reliably(patience: Patience, *commands: Command, apart: bool = False) -> Talk[list[Any]]:
    """Ask until every command has its reply. Only for commands that may be executed twice.

    Raises:
        RedisUnavailable: no reply within the wait.
        CommandRefused: an error reply that waiting does not cure.
    """
    payload = pack(commands)
    while True:
        try:
            replies = yield Ask(payload, len(commands), patience.remaining, apart)
        except ExchangeFailed as failed:
            yield Pause(patience.pause_after(failed.cause, sent=failed.sent))
            continue
        for reply in replies:
            if isinstance(reply, ResponseError):
                yield Pause(patience.pause_after(reply, sent=True))
                break
        else:
            return replies


def is_passing(reply: Any) -> bool:
    """Whether a reply is an error that may pass by itself."""
    return isinstance(reply, ResponseError) and classify(reply) is Failure.TRY_AGAIN


def talk(verb: Talk[T], wire: Wire) -> T:
    """Carry out a verb, blocking the calling thread."""
    try:
        request = next(verb)
        while True:
            if type(request) is Pause:
                time.sleep(request.seconds)
                request = verb.send([])
                continue
            assert isinstance(request, Ask)
            try:
                replies = wire.exchange(request)
            except ExchangeFailed as failed:
                request = verb.throw(failed)
            else:
                request = verb.send(replies)
    except StopIteration as stop:
        value: T = stop.value
        return value


async def talk_async(verb: Talk[T], wire: AsyncWire) -> T:
    """Carry out a verb on the running event loop."""
    try:
        request = next(verb)
        while True:
            if type(request) is Pause:
                await asyncio.sleep(request.seconds)
                request = verb.send([])
                continue
            assert isinstance(request, Ask)
            try:
                replies = await wire.exchange(request)
            except ExchangeFailed as failed:
                request = verb.throw(failed)
            else:
                request = verb.send(replies)
    except StopIteration as stop:
        value: T = stop.value
        return value
