"""Which apps there are: their functions as registered, and how far each has read the event stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from ..conversation import Talk, reliably
from ..errors import CommandRefused
from ..keys import Keys
from ..patience import Patience
from .registry import Registry, parse_registry

MOST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInfo:
    """An app's place in the event stream."""

    last: str  # stream id delivered last
    lag: int | None  # entries it has yet to be given; None: the server can't say
    pending: int  # entries given to a worker and not acknowledged
    oldest_pending: str | None  # stream id
    consumers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppInfo:
    """An app: what is registered of it, and its group; None: the group is missing."""

    id: str
    registry: Registry
    group: GroupInfo | None
    apart: tuple[str, ...] = ()  # ids of functions that have a queue of their own, because some worker lacks them

    @property
    def queues(self) -> tuple[str, ...]:
        """Names of all queues that its runs may be in."""
        own = {str(each.get("queue", "default")) for each in self.registry.definitions.values()} | {"default"}
        return tuple(sorted(f"{self.id}:{queue}{end}" for queue in own for end in ("", *(f":{f}" for f in self.apart))))

    @property
    def functions(self) -> tuple[str, ...]:
        """Keys of its functions, also of retired ones."""
        return tuple(sorted(f"{self.id}/{name}" for name in (*self.registry.definitions, *self.registry.retired)))


def read_apps(keys: Keys, patience: Patience) -> Talk[list[AppInfo]]:
    """Every app that was ever registered, by id. At most 1,000."""
    ids = sorted(name.decode() for name in (yield from reliably(patience, ("SMEMBERS", keys("ap"))))[0])[:MOST]
    commands: list[tuple[str, ...]] = []
    for app in ids:
        commands += [
            ("HGETALL", keys(f"fv:{app}")),
            ("HGETALL", keys(f"fn:{app}")),
            ("SMEMBERS", keys(f"qm:{app}")),
        ]
    replies = (yield from reliably(patience, *commands)) if commands else []
    groups = yield from read_groups(keys, patience)
    return [
        AppInfo(
            id=app,
            registry=parse_registry(_fields(replies[3 * place]), _fields(replies[3 * place + 1])),
            group=groups.get(app),
            apart=tuple(sorted(name.decode() for name in replies[3 * place + 2])),
        )
        for place, app in enumerate(ids)
    ]


def read_groups(keys: Keys, patience: Patience) -> Talk[dict[str, GroupInfo]]:
    """App -> its place in the event stream."""
    try:
        described = (yield from reliably(patience, ("XINFO", "GROUPS", keys.events)))[0]
    except CommandRefused as refused:
        if isinstance(refused.__cause__, ResponseError) and "no such key" in str(refused.__cause__):
            return {}
        raise
    groups = [_fields(each) for each in described]
    names = [group[b"name"].decode() for group in groups]
    pendings = (yield from reliably(patience, *(("XPENDING", keys.events, name) for name in names))) if names else []
    return {
        name: GroupInfo(
            last=group[b"last-delivered-id"].decode(),
            lag=group.get(b"lag"),
            pending=int(pending[0]),
            oldest_pending=pending[1].decode() if pending[1] else None,
            consumers=int(group[b"consumers"]),
        )
        for name, group, pending in zip(names, groups, pendings, strict=True)
    }


def _fields(flat: Sequence[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
