"""What operators change at run time: pauses."""

from __future__ import annotations

from .call import Call, pack


def pause(field: str, *, actor: str, what: str, reason: str = "") -> Call[bool]:
    """Pause what a field of `T:pz` names: no run of it starts from the reply on. Answers whether it was not paused."""
    return _switch(field, 1, actor, what, reason)


def resume(field: str, *, actor: str, what: str, reason: str = "") -> Call[bool]:
    """Let the runs go on that a pause holds, in the order of their scores. Answers whether it was paused."""
    return _switch(field, 0, actor, what, reason)


def _switch(field: str, on: int, actor: str, what: str, reason: str) -> Call[bool]:
    call = {"field": field, "pause": on, "actor": actor, "what": what, "reason": reason}
    return Call("pause", pack(call), lambda reply: bool(reply == b"OK"))
