"""Random walks through policies, combined by chance, against a model in plain Python (R6, R37, R41)."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgpack
import pytest

from bgjobs.broker.model import RunState
from bgjobs.broker.transitions import cancel
from tests.broker.driver import Driver, Function
from tests.broker.places import complaints

#: Time passes in steps of ten minutes, and every period ends between two of them: what the test takes is nothing.
UNIT = 600_000
STEPS = 60


@dataclass
class Rules:
    """The policies of one walk; lengths in units."""

    idempotent: float = 0
    rate: tuple[int, float] = (0, 0)
    debounce: tuple[float, float] = (0, 0)
    batch: tuple[int, float] = (0, 0)

    def entries(self, data: Any) -> list[tuple[Any, ...]]:
        key, found = f"shop/f:{data['k']}", list[tuple[Any, ...]]()
        if self.idempotent:
            found.append(("i", f"shop/f:{data['same']}", round(self.idempotent * UNIT)))
        if self.rate[0]:
            found.append(("r", "shop/f:", self.rate[0], round(self.rate[1] * UNIT)))
        if self.debounce[0]:
            found.append(("d", key, round(self.debounce[0] * UNIT), round(self.debounce[1] * UNIT)))
        if self.batch[0]:
            found.append(("b", key, self.batch[0], round(self.batch[1] * UNIT), 1 << 20))
        return [*found, ("t", 0, 1000 * UNIT), ("c", [(f"never-{data['k']}", 1000 * UNIT)])]


@dataclass
class Collecting:
    """A run that collects, in the model."""

    run: int
    due: float
    latest: float
    events: list[int]


@dataclass
class Model:
    """What has to come of the events, by their numbers."""

    rules: Rules
    now: int = 0
    taken: dict[str, float] = field(default_factory=dict)  # idempotency key -> until
    passed: list[int] = field(default_factory=list)  # when events passed the rate limit
    open: dict[str, Collecting] = field(default_factory=dict)
    runs: dict[int, list[int]] = field(default_factory=dict)  # run (the number of its first event) -> its events
    state: dict[int, RunState] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def event(self, number: int, data: Any) -> None:
        rules = self.rules
        if rules.idempotent and self.taken.get(data["same"], 0) > self.now:
            self.dropped["idempotency"] += 1
            return
        if rules.rate[0] and sum(time > self.now - rules.rate[1] for time in self.passed) >= rules.rate[0]:
            self.dropped["rate_limit"] += 1
            return
        if rules.idempotent:
            self.taken[data["same"]] = self.now + rules.idempotent
        self.passed.append(self.now)
        if rules.debounce[0] or rules.batch[0]:
            self._collect(number, data["k"])
        else:
            self.runs[number], self.state[number] = [number], RunState.QUEUED

    def _collect(self, number: int, key: str) -> None:
        period, longest = self.rules.debounce
        size, timeout = self.rules.batch
        found = self.open.get(key)
        if found is None:
            due, latest = (self.now + min(period, longest), self.now + longest) if period else (self.now + timeout, 0.0)
            found = self.open[key] = Collecting(number, due, latest, [])
            self.runs[number], self.state[number] = found.events, RunState.WAITING
        if period:
            found.events[:] = [number]
            found.due = max(found.due, min(self.now + period, found.latest))
            return
        found.events.append(number)
        if len(found.events) == size:
            self._close(key)

    def _close(self, key: str) -> None:
        self.state[self.open.pop(key).run] = RunState.QUEUED

    def pass_time(self, units: int) -> None:
        self.now += units
        for key, each in list(self.open.items()):
            if each.due <= self.now:
                self._close(key)

    def cancel(self, run: int) -> None:
        self.state[run] = RunState.CANCELLED
        self.open = {key: each for key, each in self.open.items() if each.run != run}


def some_rules(chance: random.Random) -> Rules:
    rules = Rules()
    if chance.random() < 0.5:
        rules.idempotent = chance.randint(0, 3) + 0.5
    if chance.random() < 0.5:
        rules.rate = (chance.randint(1, 6), chance.randint(0, 3) + 0.5)
    collects = chance.choice(["debounce", "batch", ""])
    if collects == "debounce":
        period = chance.randint(1, 3) + 0.5
        rules.debounce = (period, period + chance.randint(0, 2))
    elif collects == "batch":
        rules.batch = (chance.randint(1, 5), chance.randint(0, 2) + 0.5)
    return rules


@pytest.mark.parametrize("seed", range(12))
async def test_a_walk(driver: Driver, seed: int) -> None:
    chance = random.Random(seed)
    model = Model(some_rules(chance))
    await driver.register(Function(id="f", policies=model.rules.entries))
    ids: list[str] = []
    for _ in range(STEPS):
        kind = chance.choices(["send", "time", "cancel", "finish"], [6, 2, 1, 1])[0]
        if kind == "send":
            data = {"k": chance.choice("ab"), "same": chance.choice("xyz"), "n": len(ids)}
            ids.append(driver.run_of(await driver.send(data=data)))
            await driver.ingest()
            model.event(len(ids) - 1, data)
        elif kind == "time":
            units = chance.randint(1, 2)
            driver.advance(units * UNIT)
            model.pass_time(units)
            await driver.enlist("w1")
            await driver.fire()
        elif kind == "cancel":
            live = [run for run, state in model.state.items() if not state.terminal]
            if live:
                await driver.broker.do(cancel([ids[run := chance.choice(live)]]))
                model.cancel(run)
        else:
            for leased in await driver.lease("w1", 100):
                await driver.complete(leased)
            for run, state in model.state.items():
                model.state[run] = RunState.COMPLETED if state is RunState.QUEUED else state
        await agree(driver, model, ids)
    await driver.fire()
    assert not await complaints(driver, {})


async def agree(driver: Driver, model: Model, ids: list[str]) -> None:
    """What is stored is what the model says."""
    stored = await driver.stored()
    states = {number: stored.get(f"r:{run}", {}).get(b"s") for number, run in enumerate(ids)}
    assert {number: RunState.from_letter(s) for number, s in states.items() if s} == model.state
    for number, events in model.runs.items():
        if model.rules.batch[0]:
            kept = [msgpack.unpackb(packed, raw=True)[6] for packed in stored[f"b:{ids[number]}"]]
            found = [msgpack.unpackb(data)["n"] for data in kept]
        else:
            record = stored[f"r:{ids[number]}"]
            data = record.get(b"d") or stored[f"e:{record[b'e'].decode()}"][b"d"]
            found = [msgpack.unpackb(data)["n"]]
        assert found == events
    counts = Counter[str]()
    for name, fields in stored.items():
        if name.startswith("st:"):
            counts.update({field.decode().partition("|")[2]: int(count) for field, count in fields.items()})
    assert {reason: counts[reason] for reason in ("idempotency", "rate_limit")} == {
        reason: model.dropped[reason] for reason in ("idempotency", "rate_limit")
    }
