"""An incarnation's life: enlist, beat, reconcile, delist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..model import LeasedRun, Resolution
from .call import Call, pack, text
from .pumping import resolution


def enlist(incarnation: str, *, ttl_ms: int, info: Mapping[str, str | int]) -> Call[int]:
    """Let the incarnation begin; `info` is what `workers` shows of it. Answers the server's ms."""
    flat = [str(part) for item in info.items() for part in item]
    return Call("enlist", pack({"w": incarnation, "ttl": ttl_ms, "info": flat}), int)


def delist(incarnation: str) -> Call[int]:
    """Say goodbye; what it still holds goes back. Answers the runs given back; 200: call again."""
    return Call("delist", pack({"w": incarnation}), int)


def beat(incarnation: str, *, ttl_ms: int, interval_ms: int) -> Call[tuple[bool, int, int]]:
    """Keep the lease. Answers (kept, server ms, runs held); not kept: the incarnation is gone for good."""
    call = pack({"w": incarnation, "ttl": ttl_ms, "interval": interval_ms})
    return Call("beat", call, lambda reply: (reply[0] == b"OK", int(reply[1]), int(reply[2])))


def reconcile(
    incarnation: str, *, seq: int, held: Sequence[LeasedRun], waiting: Mapping[str, Sequence[str]] | None = None
) -> Call[tuple[int, tuple[str, ...], tuple[Resolution, ...]]]:
    """Settle what lost replies left open.

    Answers (runs given back, run ids held without the right, mail it may have missed). `seq` must have grown, as for
    every call that leases: a call that was stuck for long does nothing. `waiting` gives per held run the steps whose
    outcomes somebody waits for on the worker: those that are there are told again.
    """
    flat: list[str | bytes] = []
    for run in held:
        flat += (run.id, run.g)

    def read(reply: list[Any]) -> tuple[int, tuple[str, ...], tuple[Resolution, ...]]:
        return int(reply[0]), tuple(text(rid) for rid in reply[1]), tuple(resolution(message) for message in reply[2])

    argument = pack({"w": incarnation, "seq": seq, "held": flat, "waiting": waiting or {}})
    return Call("reconcile", argument, read)
