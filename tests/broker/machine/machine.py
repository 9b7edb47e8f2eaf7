"""A machine that does whatever may happen to runs, on the real server with moved time, and compares after each step."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from bgjobs.broker import operations as op
from bgjobs.broker.broker import Broker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.model import LeasedRun, PendKind, Status
from bgjobs.broker.transitions import cancel, replay
from bgjobs.broker.transitions.controlling import pause, resume
from tests.broker.driver import NO_ERROR, Driver, Function
from tests.broker.machine.model import Model, Run, Throttle, reference
from tests.broker.machine.rules import alive_places, complaints, leased_in_order
from tests.broker.machine.snapshot import EMPTY, Snapshot, read

T = TypeVar("T")

EVERY, BURST = 5000, 2
LIMITS = {"A": 2, "B": 1, "C": 1, "D": 2}
TOKENS = {
    "a": "A",
    "b": "B",
    "ab": "A B",
    "ac": "A C.{key}",
    "held": "D+",
    "slow": "S~",
    "slowa": "A S~",
}
ELSEWHERE = ("ab", "slowa")  # functions whose runs are in the other queue
QUEUES = ["shop:default", "shop:other"]
IDS = st.sampled_from(sorted([*TOKENS, "ab", "slow"]))
COMING = st.lists(IDS, min_size=1, max_size=5)
ONE = st.integers(0, 10_000)
LEAVING = ("sleep", "nothing", "retry", "give back")


class Broken(AssertionError):
    """A rule is broken."""


class Flow(RuleBasedStateMachine):
    """Runs with limiters, throttles and pauses on two workers.

    Rules have no preconditions: what is drawn must not depend on the server's clock, or hypothesis takes it for flaky.
    """

    url = ""  # of the server

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model(dict(LIMITS), {"S": Throttle(EVERY, BURST)})
        self.before: Snapshot = EMPTY
        self.workers = ["w1", "w2"]
        self.dead: list[str] = []
        self.zombies: list[tuple[str, LeasedRun]] = []
        self.refs: set[str] = set()
        self.now = 0

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        async def connect() -> Driver:
            broker = Broker(Endpoint(self.url), f"m{uuid.uuid4().hex[:12]}")
            driver = Driver(broker)
            self.driver = driver
            await driver.enlist(*self.workers)
            return driver

        self.do(connect())
        self.register()

    def register(self) -> None:
        limits = {**self.model.limits, "S": f"1 {EVERY} {BURST}"}
        self.do(
            self.driver.register(
                *(
                    Function(
                        id=name,
                        names=[name],
                        limiters=lambda key, tokens=tokens: tokens.format(key=key),
                        limits=limits if name == "a" else {},
                        queue="other" if name in ELSEWHERE else "default",
                        priority_ms=5000 if name == "b" else 0,
                    )
                    for name, tokens in TOKENS.items()
                )
            )
        )

    # What comes in, and what workers do.

    @rule(
        ids=COMING,
        key=st.integers(1, 2),
        worker=ONE,
        room=st.sampled_from((0, 0, 2)),
        late=st.sampled_from((0, 0, 6000)),
    )
    def create(self, ids: list[str], key: int, worker: int, room: int, late: int) -> None:
        """Events come in; perhaps before anybody has looked what is due."""
        who = self.workers[worker % 2]
        self.driver.advance(late)
        made: list[Run] = []
        for function in ids:
            event = self.do(self.driver.send(function, key))
            run = self.driver.run_of(event, function, function)
            tokens = tuple(TOKENS[function].format(key=key).split())
            queue = QUEUES[function in ELSEWHERE]
            made.append(Run(run, function, queue, tokens))
            self.refs |= {reference(token) for token in tokens}
        events = self.do(self.driver.read())
        for each in self.workers if late else ():
            self.do(self.driver.beat(each))
        reply = self.do(self.driver.ingest_once(events, worker=who, capacity=room, queues=QUEUES))
        for each in made:
            self.model.add(each)
        for index, match, g in reply.leased:
            run = events[index].matches[match].run
            if self.model.is_paused(self.model.runs[run]):
                raise Broken(f"{run} is paused and was leased at once")
            self.model.lease(self.model.runs[run], who, _leased(run, g), reply.now_ms)
        self.settle()

    @rule(worker=ONE, room=st.integers(1, 4))
    def lease(self, worker: int, room: int) -> None:
        who = self.workers[worker % 2]
        _, reply = self.do(self.driver.pump(who, capacity=room, queues=QUEUES))
        leased = [run.id for run in reply.leased]
        self.model.pass_time(reply.now_ms)
        if found := list(leased_in_order(self.model, self.before, leased, QUEUES, room)):
            raise Broken("; ".join(found))
        for run in reply.leased:
            self.model.lease(self.model.runs[run.id], who, run, reply.now_ms)
        self.settle()

    @rule(ids=COMING)
    def work_off(self, ids: list[str]) -> None:
        """The ordinary course, so that it makes up most of the walk: events come, a worker takes and ends runs."""
        self.create(ids, 1, len(ids), 0, 0)
        self.lease(len(ids), 2)
        if self.model.of("running"):
            self.end(len(ids), True)

    def held(self, which: int) -> Run | None:
        running = self.model.of("running")
        return running[which % len(running)] if running else None

    def apply(self, run: Run, *operations: op.Operation) -> int:
        """Carry out operations of a run's worker; answers the server's time."""
        _, reply = self.do(self.driver.pump(run.worker, *operations))
        self.zombies.append((run.worker, run.lease))
        return reply.now_ms

    @rule(which=ONE, well=st.booleans())
    def end(self, which: int, well: bool) -> None:
        run = self.held(which)
        if run is None:
            return
        ending = op.complete(run.lease, b"\xc0") if well else op.fail(run.lease, NO_ERROR, type="E", message="no")
        self.apply(run, ending)
        self.model.end(run, "completed" if well else "failed")
        self.settle()

    @rule(
        which=ONE,
        how=st.sampled_from(LEAVING),
        delay=st.sampled_from((0, 500, 3000)),
    )
    def leave(self, which: int, how: str, delay: int) -> None:
        run = self.held(which)
        if run is None:
            return
        pend = op.pend(run.lease, "s:0", PendKind.SLEEP, delay_ms=delay)
        operations = {
            "sleep": (pend, op.suspend(run.lease, ["s:0"])),
            "nothing": (op.suspend(run.lease, ["n:0"]),),
            "retry": (op.retry(run.lease, delay, NO_ERROR),),
            "give back": (op.give_back(run.lease),),
        }
        again = how == "sleep" and run.id in self.slept
        now = self.apply(run, *operations[how])
        if how == "sleep":
            self.slept.add(run.id)
        waits = how == "retry" or (how == "sleep" and not again)
        self.model.leave(run, now + delay if waits else None)
        self.settle()
        self.kept_their_slots([run] if how in ("give back", "nothing") else [])

    @property
    def slept(self) -> set[str]:
        """Runs whose sleep has its outcome, or will have: another one of that name is over at once."""
        found: set[str] = self.__dict__.setdefault("_slept", set())
        return found

    @rule(which=ONE, how=st.integers(0, 3))
    def zombie(self, which: int, how: int) -> None:
        """Somebody who lost a run writes to it all the same."""
        chosen = self.leased_again() or self.zombies
        if not chosen:
            return
        worker, run = chosen[which % len(chosen)]
        operations = [
            op.retry(run, 0, NO_ERROR),
            op.give_back(run),
            op.suspend(run, ["n:0"]),
            op.checkpoint(run, "z:0", b"\x92\x00\xc0"),
        ]
        self.refused(worker, run.id, operations[how])
        self.settle()

    def leased_again(self) -> list[tuple[str, LeasedRun]]:
        """Leases that are over, of runs that the same worker has by a new one: the fence number tells them apart."""
        found = []
        for worker, lease in self.zombies:
            run = self.model.runs[lease.id]
            if run.state == "running" and run.worker == worker and run.lease.g != lease.g:
                found.append((worker, lease))
        return found

    def refused(self, worker: str, run: str, operation: op.Operation) -> None:
        answer = self.do(self.driver.apply(worker, operation))
        if answer.status is not Status.FENCED:
            raise Broken(f"a worker that had lost {run} could write to it: {answer.status}")

    @rule(which=ONE)
    def worker_dies(self, which: int) -> None:
        victim = self.workers.pop(which % 2)
        self.zombies += [(run.worker, run.lease) for run in self.model.of("running") if run.worker == victim]
        self.do(self.driver.kill(victim, *self.workers))
        self.pass_time()
        lost = [run for run in self.model.of("running") if run.worker == victim]
        self.model.worker_died(victim)
        self.dead.append(victim)
        self.workers.append(f"{victim}+")
        self.do(self.driver.enlist(self.workers[-1]))
        self.settle(single=False)
        self.kept_their_slots(lost)

    def kept_their_slots(self, runs: list[Run]) -> None:
        """A run that was taken back, or handed back, is ready: it has its slots still, unless it is paused."""
        for run in runs:
            if run.state == "queued" and not self.before.ready(run.id) and not self.model.is_paused(run):
                raise Broken(f"{run.id} lost its slots with its worker")

    # What people and time do.

    @rule(which=ONE)
    def stop(self, which: int) -> None:
        if not self.model.runs:
            return
        run = list(self.model.runs.values())[which % len(self.model.runs)]
        self.do(self.driver.broker.do(cancel([run.id])))
        self.model.ask_to_stop(run, self.do(self.driver.now()))
        self.settle()

    @rule(which=ONE)
    def run_again(self, which: int) -> None:
        failed = self.model.of("failed")
        if not failed:
            return
        run = failed[which % len(failed)]
        answer, _ = self.do(self.driver.broker.do(replay(run.id)))
        if answer != "OK":
            raise Broken(f"{run.id} can't be replayed: {answer}")
        self.model.replay(run)
        self.settle()

    @rule(ms=st.sampled_from((100, 1000, 6000)))
    def wait(self, ms: int) -> None:
        self.driver.advance(ms)
        for worker in self.workers:
            self.do(self.driver.beat(worker))
        self.settle(single=False)

    @rule(function=IDS, kind=st.sampled_from("fqk"), on=st.booleans())
    def switch(self, function: str, kind: str, on: bool) -> None:
        """Pause or resume a function, its queue, or one of its keys."""
        tokens = TOKENS[function].format(key=1).split()
        field = {
            "f": f"f|shop/{function}",
            "q": f"q|{QUEUES[function in ELSEWHERE]}",
            "k": f"k|shop/{function}|{reference(tokens[-1])}" if tokens else f"f|shop/{function}",
        }[kind]
        call = (pause if on else resume)(field, actor="test", what=field)
        self.do(self.driver.broker.do(call))
        (self.model.paused.add if on else self.model.paused.discard)(field)
        self.refs.add(f"!{field}")
        self.settle(single=False)

    @rule(name=st.sampled_from("ABD"), limit=st.integers(1, 3))
    def limit(self, name: str, limit: int) -> None:
        self.model.limits[name] = limit
        self.register()
        self.settle(single=False)

    # After every step.

    def pass_time(self) -> None:
        self.now = self.do(self.driver.fire(self.workers[0])).now_ms
        self.model.pass_time(self.now)

    def settle(self, *, single: bool = True) -> None:
        """Let what is due happen, then compare."""
        stopped = any(run.stop is not None for run in self.model.of("running"))
        waiting = len(self.model.of("waiting"))
        self.pass_time()
        single = single and not stopped and len(self.model.of("waiting")) == waiting
        places = alive_places(self.model, [*self.workers, *self.dead], QUEUES)
        after = self.do(read(self.driver, self.model.runs, places, sorted(self.refs)))
        if found := list(complaints(self.model, self.before, after, self.now, single=single)):
            raise Broken("; ".join(found))
        self.before = after
        for worker, lease in self.leased_again()[-1:]:
            self.refused(worker, lease.id, op.progress(lease, 1.0, "late"))

    def teardown(self) -> None:
        driver: Driver | None = getattr(self, "driver", None)
        if driver is not None:

            async def clean() -> None:
                keys = [key async for key in driver.raw.scan_iter(driver.keys("*"), count=10_000)]
                if keys:
                    await driver.raw.unlink(*keys)
                await driver.broker.aclose()

            self.do(clean())
        self.runner.close()


def _leased(run: str, g: bytes) -> LeasedRun:
    """What the ingest of a lease at once tells of it."""
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
