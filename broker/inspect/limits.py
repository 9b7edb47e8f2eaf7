"""Limits as they stand: what the code says, what an operator says instead, and what holds (R40)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgpack

from ..conversation import Talk, reliably
from ..keys import Keys
from ..limiter_ids import own_limiter, shared_limiter, throttle_limiter
from ..patience import Patience
from ..run_info import moment
from .apps import AppInfo, read_apps


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitInfo:
    """A concurrency limit or a throttle."""

    target: (
        str  # as commands name it: "shop/charge", "shop/charge[event.data.customer]", "payment-api", "throttle:shop/x"
    )
    id: str  # how scripts name it
    kind: str  # "concurrency" or "throttle"
    key: str | None  # it holds for each of the key's values on its own
    limit: int  # what holds
    period: float | None = None  # seconds, of a throttle
    burst: int | None = None  # of a throttle
    code: Mapping[str, str]  # function key -> what its code says, written as `value`
    overridden: bool = False  # an operator has set it
    actor: str = ""  # who
    since: datetime | None = None
    reason: str = ""

    @property
    def value(self) -> str:
        """What holds, as text: "5", or "100 per 60 s, 10 at once"."""
        return limit_text(self.limit, self.period, self.burst)

    @property
    def conflict(self) -> bool:
        """Whether functions that share it disagree; then the smallest value holds."""
        return len(set(self.code.values())) > 1


def limit_text(limit: int, period: float | None, burst: int | None) -> str:
    """A limit's numbers as text."""
    return f"{limit:,}" if period is None else f"{limit:,} per {period:g} s, {burst or 1:,} at once"


def read_limits(keys: Keys, patience: Patience) -> Talk[list[LimitInfo]]:
    """The limits of all registered functions, by target."""
    apps = yield from read_apps(keys, patience)
    holding, overrides = yield from reliably(patience, ("HGETALL", keys("lm")), ("HGETALL", keys("lo")))
    values = {name.decode(): value.decode() for name, value in zip(holding[::2], holding[1::2], strict=True)}
    set_by = {name.decode(): value for name, value in zip(overrides[::2], overrides[1::2], strict=True)}
    return limits_of_apps(apps, values, set_by)


def limits_of_apps(
    apps: Iterable[AppInfo], values: Mapping[str, str], overrides: Mapping[str, bytes]
) -> list[LimitInfo]:
    """The limits of what is registered.

    Args:
        apps: as read.
        values: limiter -> what holds.
        overrides: limiter -> what an operator said, packed.
    """
    found: dict[str, tuple[str, str, str | None, dict[str, str]]] = {}
    for app in apps:
        for name, definition in app.registry.definitions.items():
            for limiter, target, kind, key, text in _defined(f"{app.id}/{name}", definition):
                found.setdefault(limiter, (target, kind, key, {}))[3][f"{app.id}/{name}"] = text
    limits = [
        _limit(limiter, target, kind, key, code, values.get(limiter, ""), overrides.get(limiter))
        for limiter, (target, kind, key, code) in found.items()
    ]
    return sorted(limits, key=lambda limit: limit.target)


def _defined(function: str, definition: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str | None, str]]:
    """Per limit of a function: id, target, kind, key, and what the code says."""
    for limit in definition.get("concurrency", ()):
        name, key = limit.get("name"), limit.get("key")
        text = limit_text(int(limit["limit"]), None, None)
        if name:
            yield shared_limiter(name), name, "concurrency", key, text
        else:
            yield own_limiter(function, key), function + (f"[{key}]" if key else ""), "concurrency", key, text
    throttle = definition.get("throttle")
    if throttle:
        key = throttle.get("key")
        target = f"throttle:{function}" + (f"[{key}]" if key else "")
        text = limit_text(int(throttle["limit"]), float(throttle["period"]), int(throttle.get("burst", 1)))
        yield throttle_limiter(function, key), target, "throttle", key, text


def _limit(
    limiter: str, target: str, kind: str, key: str | None, code: Mapping[str, str], value: str, packed: bytes | None
) -> LimitInfo:
    numbers = [int(float(each)) for each in value.split()] or [0]
    paced = len(numbers) == 3
    said = [part.decode() for part in msgpack.unpackb(packed, raw=True)] if packed else [""] * 4
    return LimitInfo(
        target=target,
        id=limiter,
        kind=kind,
        key=key,
        limit=numbers[0],
        period=numbers[1] / 1000 if paced else None,
        burst=numbers[2] if paced else None,
        code=code,
        overridden=packed is not None,
        actor=said[2],
        since=moment(said[1].encode()) if said[1] else None,
        reason=said[3],
    )
