"""A transition as part of a conversation: for clients and command lines, which wait for the server only so long."""

from __future__ import annotations

from typing import TypeVar

from redis.exceptions import NoScriptError, ResponseError

from ..conversation import Ask, Command, ExchangeFailed, Pause, Talk, pack
from ..keys import Keys
from ..patience import Patience
from ..scripts import script
from .call import Call

T = TypeVar("T")


def carry_out(call: Call[T], keys: Keys, patience: Patience, *, offset_ms: int = 0) -> Talk[T]:
    """Carry out a transition, again if no reply arrives: only for those that may be repeated.

    Raises:
        RedisUnavailable: no reply within the wait; it may have been carried out.
        CommandRefused: the script, or the server, refuses for good.
    """
    chosen = script(call.script)
    arguments: Command = (1, keys.anchor, offset_ms, call.argument)
    command: Command = ("EVALSHA", chosen.sha, *arguments)
    while True:
        try:
            reply = (yield Ask(pack([command]), 1, patience.remaining))[0]
        except ExchangeFailed as failed:
            yield Pause(patience.pause_after(failed.cause, sent=failed.sent))
            continue
        if isinstance(reply, NoScriptError):
            command = ("EVAL", chosen.text, *arguments)
        elif isinstance(reply, ResponseError):
            yield Pause(patience.pause_after(reply, sent=True))
        else:
            return call.read(reply)
