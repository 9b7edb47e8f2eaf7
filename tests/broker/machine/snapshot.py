"""All that is stored about the runs of the model, read in one call: looking after every step has to be cheap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgpack

from tests.broker.driver import Driver

_READ = """
local T = string.sub(KEYS[1], 1, -4)
local ask = cmsgpack.unpack(ARGV[1])
local function zset(key) return redis.call('ZRANGE', T .. key, 0, -1) end
local runs, places, slots, heads, backlogs = {}, {}, {}, {}, {}
for i, rid in ipairs(ask.runs) do
  runs[i] = redis.call('HMGET', T .. 'r:' .. rid, 's', 'sc', 'h', 'w', 'b', 'k', 'pg')
end
for i, key in ipairs(ask.places) do places[i] = zset(key) end
for i, ref in ipairs(ask.refs) do
  slots[i] = redis.call('SMEMBERS', T .. 'lc:' .. ref)
  heads[i] = redis.call('ZRANGE', T .. 'lb:' .. ref, 0, -1, 'WITHSCORES')
end
local held = redis.call('HGETALL', T .. 'bh')
for i = 1, #held, 2 do backlogs[#backlogs + 1] = redis.call('ZRANGE', T .. 'bk:' .. held[i], 0, -1, 'WITHSCORES') end
return { runs, places, slots, heads, held, backlogs, zset('bad') }
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A run's record."""

    state: str
    score: float
    holds: str  # field `h`
    worker: str
    started: bool
    crashes: int
    gate: str  # field `pg`


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is stored, by run, place and limiter."""

    runs: dict[str, Stored]
    places: dict[str, list[str]]  # run -> keys without prefix: "q:shop:default", "bk:A B", "in:w1" ...
    slots: dict[str, set[str]]  # reference -> runs
    held_by: dict[str, str]  # backlog -> limiter
    heads: dict[str, dict[str, float]]  # limiter -> backlogs and the scores that it knows of their heads
    backlogs: dict[str, list[tuple[str, float]]]  # in order
    erred: list[str]

    def ready(self, run: str) -> bool:
        return any(place.startswith(("q:", "qs:")) for place in self.places.get(run, ()))

    def parked(self, run: str) -> bool:
        return any(place.startswith("bk:") for place in self.places.get(run, ()))

    def holder(self, run: str) -> str | None:
        """The limiter, or gate, that holds its backlog."""
        for place in self.places.get(run, ()):
            if place.startswith("bk:"):
                return self.held_by.get(place[3:])
        return None


EMPTY = Snapshot({}, {}, {}, {}, {}, {}, [])


async def read(driver: Driver, runs: Iterable[str], places: Iterable[str], refs: Iterable[str]) -> Snapshot:
    """Read it. `places`: keys without prefix that hold run ids; `refs`: limiters and gates."""
    ids, keys, limiters = list(runs), list(places), list(refs)
    ask = msgpack.packb({"runs": ids, "places": keys, "refs": limiters})
    reply: list[Any] = await driver.raw.eval(_READ, 1, driver.keys.anchor, ask)
    records, members, slots, heads, held, backlogs, erred = reply
    found: dict[str, list[str]] = {}
    for key, inside in zip(keys, members, strict=True):
        for run in inside:
            found.setdefault(run.decode(), []).append(key)
    names = [name.decode() for name in held[::2]]
    for name, inside in zip(names, backlogs, strict=True):
        for run in inside[::2]:
            found.setdefault(run.decode(), []).append(f"bk:{name}")
    return Snapshot(
        runs={run: _stored(record) for run, record in zip(ids, records, strict=True) if record[0] is not None},
        places=found,
        slots={ref: {run.decode() for run in inside} for ref, inside in zip(limiters, slots, strict=True)},
        held_by=dict(zip(names, (name.decode() for name in held[1::2]), strict=True)),
        heads={
            ref: dict(zip((name.decode() for name in flat[::2]), map(float, flat[1::2]), strict=True))
            for ref, flat in zip(limiters, heads, strict=True)
        },
        backlogs={name: _pairs(inside) for name, inside in zip(names, backlogs, strict=True)},
        erred=[each.decode() for each in erred],
    )


def _pairs(flat: list[bytes]) -> list[tuple[str, float]]:
    return [(run.decode(), float(score)) for run, score in zip(flat[::2], flat[1::2], strict=True)]


def _stored(record: list[bytes | None]) -> Stored:
    state, score, holds, worker, started, crashes, gate = ("" if value is None else value.decode() for value in record)
    return Stored(state, float(score or 0), holds, worker, bool(started), int(crashes or 0), gate)
