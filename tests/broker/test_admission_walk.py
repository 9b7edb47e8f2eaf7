"""Random walks over all that may happen to runs with limiters; after each step every promise on places is checked."""

import random

import pytest

from bgjobs.broker import operations as op
from bgjobs.broker.model import LeasedRun, PendKind, RunState, Status
from bgjobs.broker.transitions import cancel, replay
from tests.broker.driver import NO_ERROR, Driver, Function
from tests.broker.places import complaints

LIMITS = {"A": 2, "B": 1, "C": 1, "T": 2, "W": 2}
FUNCTIONS = (
    Function(id="free"),
    Function(id="a", limiters="A", limits={"A": 2}),
    Function(id="b", limiters="B", limits={"B": 1}, priority_ms=5000),
    Function(id="ab", limiters="A B", queue="other"),
    Function(id="ac", limiters=lambda data: f"A C.{data}", limits={"C": 1}),
    Function(id="abc", limiters=lambda data: f"A B C.{data}"),
    Function(id="held", limiters=lambda data: f"A C.{data}+"),
    Function(id="fair", limiters=lambda data: f"B W.{data}%", limits={"W": 2}),
    Function(id="paced", limiters=lambda data: f"A T.{data}~", limits={"T": "10 1000 2"}),
)
QUEUES = ("shop:default", "shop:other")


class Walk:
    """One walk: what the workers hold, and what they lost without knowing."""

    def __init__(self, driver: Driver, seed: int) -> None:
        self.driver = driver
        self.random = random.Random(seed)
        self.held: list[tuple[str, LeasedRun]] = []
        self.zombies: list[tuple[str, LeasedRun]] = []
        self.runs: list[str] = []
        self.workers = ["w1", "w2"]
        self.fenced = 0

    async def step(self) -> str:
        """Do something; answers what."""
        actions = [
            self.create,
            self.lease,
            self.lease,
            self.end,
            self.end,
            self.leave,
            self.stop,
            self.zombie,
            self.wait,
        ]
        actions += [self.die] * (self.random.random() < 0.2) + [self.again]
        action = self.random.choice(actions)
        await action()
        return action.__name__

    def take(self) -> tuple[str, LeasedRun] | None:
        if not self.held:
            return None
        return self.held.pop(self.random.randrange(len(self.held)))

    async def create(self) -> None:
        for _ in range(self.random.randint(1, 5)):
            function = self.random.choice(FUNCTIONS)
            event_id = await self.driver.send(function.id, self.random.randint(1, 2))
            self.runs.append(self.driver.run_of(event_id, function.id, function.id))
        events = await self.driver.read()
        worker = self.random.choice(self.workers)
        capacity = self.random.choice((0, 2))
        reply = await self.driver.ingest_once(events, worker=worker, capacity=capacity, queues=QUEUES)
        for index, match, g in reply.leased:
            self.held.append((worker, _leased(events[index].matches[match].run, g)))

    async def lease(self) -> None:
        worker = self.random.choice(self.workers)
        for run in await self.driver.lease(worker, self.random.randint(1, 4), queues=QUEUES):
            self.held.append((worker, run))

    async def end(self) -> None:
        if taken := self.take():
            worker, run = taken
            await self.random.choice((self.driver.complete, self.driver.fail))(run, worker)
            self.zombies.append(taken)

    async def leave(self) -> None:
        if taken := self.take():
            worker, run = taken
            pend = op.pend(run, "s:0", PendKind.SLEEP, delay_ms=self.random.choice((0, 500, 3000)))
            operations = {
                "suspend": (pend, op.suspend(run, ["s:0"])),
                "nothing": (op.suspend(run, ["s:0"]),),
                "retry": (op.retry(run, self.random.choice((0, 2000)), NO_ERROR),),
                "give back": (op.give_back(run),),
            }
            await self.driver.apply(worker, *self.random.choice(list(operations.values())))
            self.zombies.append(taken)

    async def stop(self) -> None:
        """Cancel up to three runs in one call, whatever they do."""
        chosen = self.random.sample(self.runs, min(len(self.runs), self.random.randint(0, 3)))
        await self.driver.broker.do(cancel(chosen))
        if self.random.random() < 0.5:
            self.driver.advance(10_000)
            await self.driver.beat("w1")
            await self.driver.beat("w2")
            await self.driver.fire()

    async def zombie(self) -> None:
        """Somebody who lost a run writes to it all the same."""
        if not self.zombies:
            return
        worker, run = self.random.choice(self.zombies)
        operations = [
            op.retry(run, 0, NO_ERROR),
            op.give_back(run),
            op.suspend(run, ["s:0"]),
            op.checkpoint(run, "z:0", b"\x92\x00\xc0"),
        ]
        answer = await self.driver.apply(worker, self.random.choice(operations))
        assert answer.status is Status.FENCED
        self.fenced += 1

    async def wait(self) -> None:
        self.driver.advance(self.random.choice((100, 1000, 4000)))
        for worker in self.workers:
            await self.driver.beat(worker)
        await self.driver.pump("w1")

    async def die(self) -> None:
        """A worker dies and is reaped; another one comes."""
        victim = self.workers.pop(self.random.randrange(2))
        await self.driver.kill(victim, *self.workers)
        self.zombies += [each for each in self.held if each[0] == victim]
        self.held = [each for each in self.held if each[0] != victim]
        self.workers.append(f"{victim}+")
        await self.driver.enlist(self.workers[-1])

    async def again(self) -> None:
        if self.runs:
            await self.driver.broker.do(replay(self.random.choice(self.runs)))

    async def drain(self) -> None:
        """Complete everything; nothing may be left that never becomes ready."""
        for _ in range(400):
            while self.held:
                worker, run = self.held.pop()
                await self.driver.complete(run, worker)
            self.driver.advance(4000)
            for worker in self.workers:
                await self.driver.beat(worker)
            await self.driver.fire(self.workers[0])
            await self.lease()
            if not self.held and all([await self._ended(run) for run in self.runs]):
                return
        raise AssertionError([run for run in self.runs if not await self._ended(run)])

    async def _ended(self, run: str) -> bool:
        state = await self.driver.state(run)
        return state is not None and state.terminal


def _leased(run: str, g: bytes) -> LeasedRun:
    return LeasedRun(
        id=run,
        app="shop",
        function="",
        g=g,
        queue="",
        event_name="",
        event_id="",
        data=b"",
        created_ms=0,
        now_ms=0,
        started_ms=0,
    )


@pytest.mark.parametrize("seed", range(4))
async def test_a_random_walk_keeps_every_promise(driver: Driver, seed: int) -> None:
    """R15, R17, R21, R34: one place per run; slots with whom they belong to; room never waits; all runs end."""
    await driver.register(
        *(
            Function(
                id=f.id, names=[f.id], limiters=f.limiters, limits=f.limits, queue=f.queue, priority_ms=f.priority_ms
            )
            for f in FUNCTIONS
        )
    )
    walk = Walk(driver, seed)
    done: list[str] = []
    for _ in range(90):
        done.append(await walk.step())
        assert not await complaints(driver, LIMITS), done[-5:]
    await walk.drain()
    assert not await complaints(driver, LIMITS)
    stored = await driver.stored()
    assert not [name for name in stored if name.split(":")[0] in ("q", "qs", "bk", "lb", "bh", "lc", "in", "wt", "dl")]
    assert {await driver.state(run) for run in walk.runs} <= {RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED}
    assert walk.fenced > 0
