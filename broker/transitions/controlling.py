"""What operators change at run time: pauses and limits."""

from __future__ import annotations

from .call import Call, pack


def pause(field: str, *, actor: str, what: str, reason: str = "") -> Call[bool]:
    """Pause what a field of `T:pz` names: no run of it starts from the reply on. Answers whether it was not paused."""
    return _switch(field, 1, actor, what, reason)


def resume(field: str, *, actor: str, what: str, reason: str = "") -> Call[bool]:
    """Let the runs go on that a pause holds, in the order of their scores. Answers whether it was paused."""
    return _switch(field, 0, actor, what, reason)


def set_limit(name: str, value: str, *, actor: str, what: str, reason: str = "") -> Call[bool]:
    """Let an operator's value of a limit hold ("": the code's again).

    Args:
        name: the limiter's definition.
        value: a limit, or "<limit> <period ms> <burst>" of a throttle.
        actor: who does it.
        what: what is done, for people.
        reason: why.

    Answers whether it changed anything; False also if no registered function has that limit.
    """
    call = {"name": name, "value": value, "actor": actor, "what": what, "reason": reason}
    return Call("set_limits", pack(call), lambda reply: bool(reply == b"OK"))


def _switch(field: str, on: int, actor: str, what: str, reason: str) -> Call[bool]:
    call = {"field": field, "pause": on, "actor": actor, "what": what, "reason": reason}
    return Call("pause", pack(call), lambda reply: bool(reply == b"OK"))
