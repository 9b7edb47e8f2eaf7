"""How safely an event is to be stored before its sender is told: in memory, on disk, or on replicas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from redis.exceptions import ResponseError

from .conversation import Command, Talk
from .errors import DurabilityUnavailable, UsageError
from .patience import Patience
from .server_info import read_server_info

#: ``memory``, ``fsync`` or ``replicas=N``.
Durability: TypeAlias = str

_REPLICAS = re.compile(r"replicas=([1-9][0-9]?)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A durability that was asked for.

    Attributes:
        text: as it was asked for.
        disk: whether the primary's disk must have it.
        replicas: how many replicas must have it.
    """

    text: str = "memory"
    disk: bool = False
    replicas: int = 0

    @property
    def plain(self) -> bool:
        """Whether the ordinary reply is enough."""
        return not (self.disk or self.replicas)

    def command(self, seconds: float) -> Command:
        """What to ask, on the same connection, right after the write."""
        milliseconds = max(1, int(seconds * 1000))
        return ("WAITAOF", 1, 0, milliseconds) if self.disk else ("WAIT", self.replicas, milliseconds)

    def reached(self, reply: Any) -> str:
        """What the answer to `command` means."""
        if isinstance(reply, ResponseError):
            return "memory"
        if self.disk:
            return "fsync" if reply[0] >= 1 else "memory"
        return f"replicas={reply}" if reply else "memory"


MEMORY = Wanted()


def parse(text: Durability | None) -> Wanted:
    """Read a durability; None means memory. Raises UsageError."""
    if text is None or text == "memory":
        return MEMORY
    if text == "fsync":
        return Wanted(text=text, disk=True)
    if found := _REPLICAS.fullmatch(str(text)):
        return Wanted(text=text, replicas=int(found[1]))
    raise UsageError(f"{text!r} is no durability.", remedy='Use "memory", "fsync" or "replicas=N".')


def require(wanted: Wanted, patience: Patience) -> Talk[None]:
    """Refuse what the server cannot give, before anything is written.

    Raises:
        DurabilityUnavailable: it can't, or it can't be found out.
    """
    info = yield from read_server_info(patience)
    if wanted.disk:
        if not info.can_wait_for_disk:
            raise DurabilityUnavailable(f"{info.name} {info.version_text} has no WAITAOF, which needs 7.2.")
        if not info.append_only:
            raise DurabilityUnavailable('durability="fsync" needs a server with `appendonly yes`.')
    elif info.replicas is None or info.replicas < wanted.replicas:
        raise DurabilityUnavailable(
            f'durability="{wanted.text}", but the server has {info.replicas or 0} connected replicas.'
        )
