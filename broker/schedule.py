"""A dynamic schedule: an event that is sent at the ticks of a cron expression or at an interval."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Literal

import msgpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What the hash of schedules holds under `id`; msgpack of the other fields."""

    id: str
    event: str  # name
    data: bytes  # msgpack
    cron: str | None = None
    every_ms: int = 0
    anchor_ms: int = 0  # intervals are counted from here
    tz: str = "UTC"
    missed: Literal["last", "all", "skip"] = "last"
    paused: bool = False
    first_look_ms: int = 0  # a tick at this very time only asks a worker to compute the first real one

    def pack(self) -> bytes:
        values = asdict(self)
        del values["id"]
        packed: bytes = msgpack.packb(values)
        return packed

    @classmethod
    def unpack(cls, id: str, packed: bytes) -> Schedule:
        values = msgpack.unpackb(packed)
        known = {each.name for each in fields(cls)}
        return cls(id=id, **{name: value for name, value in values.items() if name in known})

    def event_fields(self, tick_ms: int) -> list[str | bytes]:
        """The stream entry of one tick. Its id is the tick's, so that a tick is one event however often it is fired."""
        return ["n", self.event, "i", f"{self.id}@{tick_ms}", "d", self.data]
