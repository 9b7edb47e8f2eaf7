"""The runs that a run waits for."""

from __future__ import annotations

from typing import Any

import msgpack

from ..conversation import Talk, reliably
from ..keys import Keys
from ..model import PendKind
from ..patience import Patience
from ..run_info import RunInfo
from .runs import read_runs

_AT_ONCE = 500


def read_children(keys: Keys, patience: Patience, run: str) -> Talk[list[RunInfo]]:
    """The runs that a run invoked and that its steps wait for, in no particular order."""
    children: list[str] = []
    cursor: Any = b"0"
    while True:
        (reply,) = yield from reliably(patience, ("HSCAN", keys.steps(run), cursor, "MATCH", "p:*", "COUNT", _AT_ONCE))
        cursor, flat = reply
        for packed in flat[1::2]:
            entry = msgpack.unpackb(packed, raw=True)
            if entry[0].decode() == PendKind.INVOKE.value:
                children.append(entry[2].decode())
        if cursor == b"0":
            break
    found = yield from read_runs(keys, patience, sorted(set(children)))
    return [child for child in found if child is not None]
