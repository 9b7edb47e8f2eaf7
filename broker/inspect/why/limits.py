"""Limiters: what their ids stand for, who holds their slots, and how many runs go first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ...conversation import Command, Talk, reliably
from ...explanation import Holder
from ...limiter_ids import fairness_limiter, own_limiter, shared_limiter, throttle_limiter
from ...model import RunState
from ...run_info import moment
from ..apps import AppInfo
from .facts import Asking

HOLDERS = 20  # runs named per limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a limiter's id stands for."""

    text: str  # "the limit of shop/pack per event.data.customer"
    name: str  # its name, or the function's key
    key: str | None  # path of its key


def meanings(apps: Iterable[AppInfo]) -> dict[str, Meaning]:
    """Limiter id -> meaning, for all that registered functions define."""
    found: dict[str, Meaning] = {}
    for app in apps:
        for name, definition in app.registry.definitions.items():
            function = f"{app.id}/{name}"
            for limit in definition.get("concurrency", ()):
                shared, key = limit.get("name"), limit.get("key")
                per = f" per {key}" if key else ""
                if shared is not None:
                    text = f'the shared limit "{shared}"{per}'
                    found[shared_limiter(shared)] = Meaning(text=text, name=shared, key=key)
                else:
                    text = f"the limit of {function}{per}"
                    found[own_limiter(function, key)] = Meaning(text=text, name=function, key=key)
            throttle = definition.get("throttle")
            if throttle:
                key = throttle.get("key")
                text = f"the throttle of {function}" + (f" per {key}" if key else "")
                found[throttle_limiter(function, key)] = Meaning(text=text, name=function, key=key)
            fairness = definition.get("fairness")
            if fairness:
                key = fairness["key"]
                text = f"the turns of {function} per {key}"
                found[fairness_limiter(function, key)] = Meaning(text=text, name=function, key=key)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limiter as it stands."""

    reference: str  # with `~` at the end, if it is a throttle
    taken: int  # slots; of a throttle: runs that it let in and that have not started
    slots: int | None = None  # None: no limit is known; of a throttle: its burst
    every_ms: float = 0.0  # of a throttle: time that one start is worth
    ahead_ms: float = 0.0  # of a throttle: how much of its rate is used up

    @property
    def throttles(self) -> bool:
        return self.reference.endswith("~")

    @property
    def definition(self) -> str:
        return self.reference.rstrip("~%").partition(".")[0]

    @property
    def room(self) -> float:
        """Runs that it would let in now."""
        if self.slots is None:
            return math.inf
        used = self.ahead_ms / self.every_ms if self.every_ms else 0
        return math.floor(self.slots - used + 1e-6) - self.taken

    @property
    def state(self) -> str:
        """How it stands, as the end of a sentence."""
        if self.slots is None:
            return ""
        if self.throttles:
            return f": one start every {self.every_ms / 1000:g} s, {self.slots:,} at once"
        return f": {self.taken:,} of {self.slots:,} slots are taken"

    def admits(self, ahead: int, now_ms: int) -> datetime | None:
        """When a throttle lets a run in that `ahead` others go before, if those that it let in have started by then."""
        if not self.throttles or self.slots is None:
            return None
        return moment(now_ms + max(0.0, self.ahead_ms - (self.slots - self.taken - 1 - ahead) * self.every_ms))


def read_limits(asking: Asking, references: Sequence[str]) -> Talk[list[Limit]]:
    """Limiters as they stand, by their references without the mark of those that are kept."""
    keys, found = asking.keys, list[Limit]()
    commands: list[Command] = []
    for reference in references:
        definition = reference.rstrip("~%").partition(".")[0]
        fair = reference.endswith("%")
        commands += [
            ("ZCARD", keys(f"fr:{reference}")) if fair else ("SCARD", keys(f"lc:{reference}")),
            ("HGET", keys("lm"), definition),
            ("GET", keys(f"lt:{reference}")),
        ]
    replies = (yield from reliably(asking.patience, *commands)) if commands else []
    for place, reference in enumerate(references):
        taken, stored, clock = replies[3 * place : 3 * place + 3]
        numbers = [] if stored is None else [int(float(word)) for word in stored.split()]
        if len(numbers) == 3:
            limit, period, burst = numbers
            every = period / limit
            ahead = min(max(0.0, float(clock or 0) - asking.now_ms), burst * every)
            found.append(Limit(reference=reference, taken=taken, slots=burst, every_ms=every, ahead_ms=ahead))
        else:
            found.append(Limit(reference=reference, taken=taken, slots=numbers[0] if numbers else None))
    return found


def _members(asking: Asking, reference: str) -> Command:
    if reference.endswith("%"):
        return ("ZRANGE", asking.keys(f"fr:{reference}"), 0, HOLDERS - 1)
    return ("SRANDMEMBER", asking.keys(f"lc:{reference}"), HOLDERS)


def read_holders(asking: Asking, reference: str) -> Talk[tuple[Holder, ...]]:
    """Runs that hold a slot, at most 20, those that started first leading."""
    (reply,) = yield from reliably(asking.patience, _members(asking, reference))
    return (yield from describe_runs(asking, [run.decode() for run in reply]))


def describe_runs(asking: Asking, runs: Sequence[str]) -> Talk[tuple[Holder, ...]]:
    """Runs as holders; those that are gone are left out."""
    if not runs:
        return ()
    commands: list[Command] = [("HMGET", asking.keys.run(run), "f", "s", "b") for run in runs]
    records = yield from reliably(asking.patience, *commands)
    found = [
        Holder(run_id=run, function=key.decode(), state=RunState.from_letter(state), started=moment(started))
        for run, (key, state, started) in zip(runs, records, strict=True)
        if key is not None and state is not None
    ]
    return tuple(sorted(found, key=lambda each: (each.started is None, each.started, each.run_id)))
