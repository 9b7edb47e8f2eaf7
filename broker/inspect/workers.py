"""Which worker processes there are, and what each holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..conversation import Talk, reliably
from ..keys import Keys
from ..patience import Patience

MOST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """One incarnation: one start of a worker process."""

    id: str
    app: str
    host: str
    pid: int | None
    version: str  # of the app
    deployment: str
    queues: tuple[str, ...]  # empty: every queue of its functions
    functions: tuple[str, ...]  # ids
    running: int  # runs that it holds
    capacity: int | None  # runs that it takes at a time, if it says so
    mail: int  # cancels and outcomes that it has yet to read
    started: datetime | None
    lease_seconds: float  # until its lease is over; negative: it is, and its runs go to others
    about: Mapping[str, str] = field(default_factory=dict)  # what else it says of itself

    @property
    def alive(self) -> bool:
        """Whether its lease holds."""
        return self.lease_seconds > 0

    def runs(self, function: str, queue: str) -> bool:
        """Whether it lives, has a function of its app (id) and reads the function's queue."""
        return self.alive and self.has(function) and (not self.queues or queue in self.queues)

    def has(self, function: str) -> bool:
        """Whether it has a function of its app. One that does not tell is taken to have all."""
        return not self.functions or function in self.functions


def read_workers(keys: Keys, patience: Patience) -> Talk[list[WorkerInfo]]:
    """Every incarnation that has not been taken back, by app and start. At most 1,000."""
    leases, time = yield from reliably(patience, ("ZRANGE", keys("wk"), 0, MOST - 1, "WITHSCORES"), ("TIME",))
    now_ms = int(time[0]) * 1000 + int(time[1]) // 1000
    ids = [incarnation.decode() for incarnation in leases[::2]]
    commands: list[tuple[str, ...]] = []
    for incarnation in ids:
        commands += [
            ("HGETALL", keys(f"wi:{incarnation}")),
            ("ZCARD", keys(f"in:{incarnation}")),
            ("LLEN", keys(f"mb:{incarnation}")),
        ]
    replies = (yield from reliably(patience, *commands)) if commands else []
    found = [
        _worker(incarnation, int(float(leases[2 * place + 1])) - now_ms, *replies[3 * place : 3 * place + 3])
        for place, incarnation in enumerate(ids)
    ]
    return sorted(found, key=lambda worker: (worker.app, worker.started or datetime.max.replace(tzinfo=UTC)))


def _worker(incarnation: str, lease_ms: int, told: list[bytes], running: int, mail: int) -> WorkerInfo:
    about = _texts(told)
    for internal in ("seq", "top"):
        about.pop(internal, None)
    started, pid, capacity = (about.pop(name, "") for name in ("started", "pid", "concurrency"))
    return WorkerInfo(
        id=incarnation,
        app=about.pop("app", ""),
        host=about.pop("host", ""),
        pid=int(pid) if pid.isdecimal() else None,
        version=about.pop("version", ""),
        deployment=about.pop("deployment", ""),
        queues=_names(about.pop("queues", "")),
        functions=_names(about.pop("functions", "")),
        running=int(running),
        capacity=int(capacity) if capacity.isdecimal() else None,
        mail=int(mail),
        started=datetime.fromtimestamp(int(started) / 1000, UTC) if started.isdecimal() else None,
        lease_seconds=lease_ms / 1000,
        about=about,
    )


def _texts(flat: list[Any]) -> dict[str, str]:
    return {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for name, value in zip(flat[::2], flat[1::2], strict=True)
    }


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())
