"""What is paused, and how many runs each pause holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgpack

from ..conversation import Command, Talk, reliably
from ..keys import Keys
from ..patience import Patience
from ..run_info import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseInfo:
    """Something that is paused, or whose runs are being let go."""

    field: str  # what scripts call it
    what: str  # "function shop/charge", "queue shop:default", "shop/charge where event.data.customer is 42"
    function: str | None  # function key; None: of a queue
    queue: str | None  # "<app>:<queue>"; None: of a function, or a key of one
    by_key: bool  # of one key of the function
    since: datetime | None
    actor: str  # who did it
    reason: str
    parked: int  # runs that it holds back
    resuming: bool = False  # it was resumed, and still lets its runs go


def read_pauses(keys: Keys, patience: Patience) -> Talk[list[PauseInfo]]:
    """All that is paused, by name."""
    flat = (yield from reliably(patience, ("HGETALL", keys("pz"))))[0]
    pairs = [(name.decode(), value) for name, value in zip(flat[::2], flat[1::2], strict=True)]
    if not pairs:
        return []
    commands: list[Command] = [("ZCARD", keys(f"bk:!{name}")) for name, _ in pairs]
    parked = yield from reliably(patience, *commands)
    found = [_info(name, value, count) for (name, value), count in zip(pairs, parked, strict=True)]
    return sorted(found, key=lambda pause: pause.what)


def _info(field: str, value: bytes, parked: int) -> PauseInfo:
    since, actor, what, reason = (part.decode() for part in msgpack.unpackb(value[1:], raw=True))
    kind, owner = field.split("|")[:2]
    return PauseInfo(
        field=field,
        what=what,
        function=None if kind == "q" else owner,
        queue=owner if kind == "q" else None,
        by_key=kind == "k",
        since=moment(since.encode()),
        actor=actor,
        reason=reason,
        parked=parked,
        resuming=value.startswith(b"o"),
    )
