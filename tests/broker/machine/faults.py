"""Faults that somebody could make in the scripts: each is planted in memory, and the machine has to find it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bgjobs.broker import scripts
from tests.broker.machine.machine import Flow


def throttled(flow: Flow) -> None:
    """Six starts are wanted at once; the throttle lets two go."""
    flow.create(["slow"] * 5, 1, 0, 0, 0)
    for _ in range(3):
        flow.lease(0, 2)


def throttled_again(flow: Flow) -> None:
    """Of two runs that started, one goes on elsewhere; there is room for another one."""
    flow.create(["slow"] * 2, 1, 0, 0, 0)
    flow.lease(0, 2)
    flow.wait(6000)
    flow.leave(0, "give back", 0)
    flow.lease(0, 1)
    flow.create(["slow"], 1, 0, 0, 0)


def late_newcomer(flow: Flow) -> None:
    """A newcomer arrives when the throttle has room again, and nobody has let in yet who waits for it."""
    flow.create(["slow"] * 3, 1, 0, 0, 0)
    flow.lease(0, 2)
    flow.create(["slowa"], 1, 0, 0, 6000)


def worker_with_slots_dies(flow: Flow) -> None:
    """The worker that holds all slots dies, while another run waits for one."""
    flow.create(["a"] * 3, 1, 0, 0, 0)
    flow.lease(0, 2)
    flow.worker_dies(0)


def leased_again(flow: Flow) -> None:
    """A worker hands a run back and gets it again: only the fence number tells its two leases apart."""
    flow.create(["a"], 1, 0, 0, 0)
    flow.lease(0, 1)
    flow.leave(0, "give back", 0)
    flow.lease(0, 1)


def ready_and_paused(flow: Flow) -> None:
    """A function is paused when one of its runs is ready already."""
    flow.create(["a"], 1, 0, 0, 0)
    flow.switch("a", "f", True)
    flow.lease(0, 1)


def second_death(flow: Flow) -> None:
    """A worker dies with a run that one has died with before, and with one that is new."""
    flow.create(["a"], 1, 0, 0, 0)
    flow.lease(0, 1)
    flow.worker_dies(0)
    flow.create(["b"], 1, 0, 0, 0)
    flow.lease(0, 2)
    flow.worker_dies(0)


def two_limiters(flow: Flow) -> None:
    """A run with two slots ends; behind one limiter waits a run that needs both, behind the other an older one."""
    flow.limit("A", 1)
    flow.create(["ab"], 1, 0, 0, 0)
    flow.lease(0, 1)
    flow.create(["ab"], 1, 0, 0, 0)
    flow.create(["b"], 1, 0, 0, 0)
    flow.end(0, True)


@dataclass(frozen=True, slots=True)
class Fault:
    """A change of one place in a file of `broker/lua`; and a walk to where it shows, if random ones take long."""

    name: str
    file: str
    old: str
    new: str
    walk: Callable[[Flow], None] | None = None


FAULTS = (
    Fault(
        "a slot is leaked when its run ends",
        "lib/backlogs.lua",
        "Fairness.leave(rid, ref) else redis.call('SREM', T .. 'lc:' .. ref, rid) end",
        "Fairness.leave(rid, ref) elseif ref ~= 'B' then redis.call('SREM', T .. 'lc:' .. ref, rid) end",
    ),
    Fault(
        "a newcomer passes those that wait",
        "lib/backlogs.lua",
        "if redis.call('EXISTS', T .. 'lb:' .. ref) == 1 or free(ref) <= 0 then return ref end",
        "if free(ref) <= 0 then return ref end",
        late_newcomer,
    ),
    Fault(
        "one run more than the limit",
        "lib/limiters.lua",
        "return room - redis.call('SCARD', T .. 'lc:' .. ref)",
        "return room + (own.every and 0 or 1) - redis.call('SCARD', T .. 'lc:' .. ref)",
    ),
    Fault(
        "a release lets nobody in",
        "lib/backlogs.lua",
        "for _, ref in ipairs(refs(list)) do Backlogs.drain(ref, start) end",
        "if not string.find(list, ' ') then Backlogs.drain(list, start) end",
    ),
    Fault(
        "who needs two limiters is passed for ever",
        "lib/backlogs.lua",
        "if head[1] and tonumber(head[2]) < tonumber(score) then return ref end",
        "if head[1] and tonumber(head[2]) > tonumber(score) then return ref end",
        two_limiters,
    ),
    Fault(
        "a limiter forgets a backlog whose head went",
        "lib/backlogs.lua",
        "if not head[1] then return let_go(list, ref) end",
        "if true then return let_go(list, ref) end",
    ),
    Fault(
        "a waiting run keeps its slots",
        "lib/operations.lua",
        "  Ready.release(r, true)\n",
        "",
    ),
    Fault(
        "a crash gives the slots away",
        "lib/takeback.lua",
        "if r.x then Cancel.finish(r, r.x, inline_max) else Ready.enter(r) end",
        "if r.x then Cancel.finish(r, r.x, inline_max) else Ready.release(r) Ready.enter(r) end",
        worker_with_slots_dies,
    ),
    Fault(
        "a parked run that is cancelled stays in its backlog",
        "lib/ready.lua",
        "    Backlogs.unpark(r.rid, Tokens.missing(r))\n",
        "",
    ),
    Fault(
        "a worker that lost a run may write to it",
        "lib/record.lua",
        "if not r or r.g ~= g or r.w ~= w then return nil end",
        "if not r or r.w ~= w then return nil end",
        leased_again,
    ),
    Fault(
        "a leased run stays in its queue",
        "lib/lease.lua",
        "local popped = redis.call('ZPOPMIN', T .. 'q:' .. found[1].queue, share)",
        "local popped = redis.call('ZRANGE', T .. 'q:' .. found[1].queue, 0, share - 1, 'WITHSCORES')",
    ),
    Fault(
        "handing back costs the place in the queue",
        "lib/ready.lua",
        "  redis.call('HSET', r.key, 's', 'q')\n  local code",
        "  redis.call('HSET', r.key, 's', 'q', 'sc', NOW_TEXT)\n  r.sc = NOW_TEXT\n  local code",
    ),
    Fault(
        "a throttle is not charged",
        "lib/limiters.lua",
        "if own.every then set_clock(ref, math.min(ahead(ref, own) + own.every, own.burst * own.every)) end",
        "",
        throttled,
    ),
    Fault(
        "a throttle is charged again by who goes on",
        "lib/ready.lua",
        "if not r.b then Limiters.started(r.rid, r.l) end",
        "Limiters.started(r.rid, r.l)",
        throttled_again,
    ),
    Fault(
        "a run that was ready starts although it is paused",
        "lib/lease.lua",
        "    if reply.seldom().ready.caught(r) then return 0 end\n",
        "",
        ready_and_paused,
    ),
    Fault(
        "deaths of workers are charged to all of their runs",
        "lib/reap.lua",
        "if crashes >= top then",
        "if crashes >= 0 then",
        second_death,
    ),
)


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Scripts with the fault, within the block.

    Raises:
        AssertionError: the place that it changes is not there, or not the only one: the fault has to be written anew.
    """
    read = scripts._read
    assert read(fault.file).count(fault.old) == 1, f"{fault.file} has no longer, or more than once: {fault.old}"

    def changed(path: str) -> str:
        return read(path).replace(fault.old, fault.new) if path == fault.file else read(path)

    scripts.script.cache_clear()
    scripts._read = changed
    try:
        yield
    finally:
        scripts._read = read
        scripts.script.cache_clear()
