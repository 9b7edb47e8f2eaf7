"""What every explanation looks at first: the run's record and the server's time, read in one go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from ...conversation import Talk, reliably
from ...keys import Keys
from ...patience import Patience
from ...run_info import created_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Where a question goes, and the server's time when it was asked."""

    keys: Keys
    patience: Patience
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A run's record and what it waits for, as stored."""

    run_id: str
    record: Mapping[str, str]  # without its event's data
    pending: Mapping[str, Sequence[Any]]  # step key -> kind, due ms, and what belongs to the kind; bytes

    def __getitem__(self, field: str) -> str:
        """A field of the record; "" if it has none."""
        return self.record.get(field, "")

    def number(self, field: str) -> int:
        return int(float(self[field] or 0))

    @property
    def app(self) -> str:
        return self["f"].partition("/")[0]

    @property
    def suspect(self) -> bool:
        """Whether workers died with it so often that it waits for a worker without another such run (R21)."""
        return self.number("k") >= 2


def read_now(patience: Patience, offset_ms: int) -> Talk[int]:
    """The server's time in milliseconds, moved by `offset_ms`."""
    (time,) = yield from reliably(patience, ("TIME",))
    return int(time[0]) * 1000 + int(time[1]) // 1000 + offset_ms


# fmt: off
_FIELDS = (
    "s", "f", "q", "n", "i", "t", "b", "z", "sc", "g", "w", "l", "h", "a", "k", "np", "x", "pa", "ps", "rc", "ro", "dl",
    "pg",
)
# fmt: on
_MOST_STEPS = 1_000
_AT_ONCE = 500


def read_facts(asking: Asking, run: str) -> Talk[Facts | None]:
    """The facts of a run; None if nothing is stored under that id."""
    keys, patience = asking.keys, asking.patience
    (values,) = yield from reliably(patience, ("HMGET", keys.run(run), *_FIELDS))
    record = {
        name: value.decode("utf-8", "replace") for name, value in zip(_FIELDS, values, strict=True) if value is not None
    }
    if "s" not in record:
        return None
    record["t"] = str(created_ms(record.get("t"), record.get("sc")))
    pending: dict[str, Sequence[Any]] = {}
    cursor: Any = b"0"
    while int(record.get("np", 0)) > 0 and len(pending) < _MOST_STEPS:
        (reply,) = yield from reliably(patience, ("HSCAN", keys.steps(run), cursor, "MATCH", "p:*", "COUNT", _AT_ONCE))
        cursor, flat = reply
        for field, packed in zip(flat[::2], flat[1::2], strict=True):
            pending[field[2:].decode("utf-8", "replace")] = msgpack.unpackb(packed, raw=True)
        if cursor == b"0":
            break
    return Facts(run_id=run, record=record, pending=pending)
