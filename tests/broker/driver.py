"""Drives the transitions on a real server in a few lines: send, ingest, lease, complete; time is moved, not waited for.

It decides matches and filters in the plainest way, so that what is tested is what the scripts do with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from bgjobs.broker import ids, operations
from bgjobs.broker.broker import Broker
from bgjobs.broker.model import Answer, IngestEvent, IngestReply, LeasedRun, Match, PumpReply, RunState
from bgjobs.broker.operations import SUCCESS, Operation
from bgjobs.broker.transitions import Definition, beat, delist, enlist, ingest, pump, reconcile, register

TTL = 15_000
INTERVAL = 5_000
NO_ERROR = msgpack.packb({"type": "ValueError", "message": "no"})

_READ: dict[str, Callable[[Any, bytes], Any]] = {
    "hash": lambda client, key: client.hgetall(key),
    "zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    "set": lambda client, key: client.smembers(key),
    "list": lambda client, key: client.lrange(key, 0, -1),
    "stream": lambda client, key: client.xrange(key),
    "string": lambda client, key: client.get(key),
    "none": lambda client, key: client.get(key),  # it left meanwhile
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function as the tests need it; limiters are references joined by blanks, or made from the event's data."""

    id: str
    names: Sequence[str] = ("go",)
    limiters: str | Callable[[Any], str] = ""
    policies: Callable[[Any], Sequence[Sequence[Any]]] = lambda data: ()  # entries as of `define/arriving.py`
    limits: Mapping[str, int | str] = field(default_factory=dict)
    queue: str = "default"
    priority_ms: int = 0
    on_failure: str = ""  # function id
    crons: Mapping[str, int] = field(default_factory=dict)


class Driver:
    """One app on one namespace."""

    def __init__(self, broker: Broker, app: str = "shop") -> None:
        self.broker = broker
        self.app = app
        self.keys = broker.keys
        self.raw = broker.client
        self.functions: dict[str, Function] = {}
        self.inline_max = 64
        self._seq = itertools.count(1)
        self._ids = itertools.count(1)
        self._stamps = itertools.count(1)

    # What is there, and the time.

    def advance(self, ms: int) -> None:
        self.broker.offset_ms += ms

    async def now(self) -> int:
        seconds, micros = await self.raw.time()
        return int(seconds) * 1000 + int(micros) // 1000 + self.broker.offset_ms

    async def register(self, *functions: Function, deployment: str = "d", start_at: str = "begin") -> tuple[Any, ...]:
        """Register exactly these functions."""
        self.functions = {function.id: function for function in functions}
        definitions = [
            Definition(
                id=each.id,
                body=msgpack.packb([each.id, list(each.names), dict(each.limits), each.on_failure]),
                names=each.names,
                on_failure=f"{self.app}/{each.on_failure}" if each.on_failure else "",
                on_failure_queue=f"{self.app}:default" if each.on_failure else "",
                limits=each.limits,
                crons=each.crons,
            )
            for each in functions
        ]
        stamp = f"{next(self._stamps):09}"
        call = register(self.app, deployment=deployment, stamp=stamp, definitions=definitions, start_at=start_at)
        return await self.broker.do(call)

    # Events.

    async def send(
        self, name: str = "go", data: Any = None, *, id: str = "", due_ms: int = 0, generated: bool = False
    ) -> str:
        """Append an event as any client may; answers its id."""
        event_id = id or (ids.new_event_id() if generated else f"e{next(self._ids)}")
        fields: dict[bytes | str, Any] = {"n": name, "i": event_id, "d": msgpack.packb(data)}
        if due_ms:
            fields["t"] = str(due_ms)
        if generated:
            fields["g"] = "1"
        await self.raw.xadd(self.keys.events, fields)
        return event_id

    def run_of(self, event_id: str, function: str = "f", name: str = "go") -> str:
        return ids.run_id(f"{self.app}/{function}", ids.event_key(name, event_id))

    async def read(self, count: int = 200) -> list[IngestEvent]:
        """New entries of the stream for this app, not yet matched."""
        reply = await self.raw.xreadgroup(self.app, "consumer", {self.keys.events: ">"}, count=count)
        return [self.event(*entry) for _, entries in reply or [] for entry in entries]

    async def pending(self) -> list[IngestEvent]:
        """Entries that were read and not acknowledged."""
        reply = await self.raw.xreadgroup(self.app, "consumer", {self.keys.events: "0"}, count=1000)
        return [self.event(*entry) for _, entries in reply or [] for entry in entries]

    def event(self, stream_id: bytes, fields: dict[bytes, bytes]) -> IngestEvent:
        name, event_id = fields[b"n"].decode(), fields[b"i"].decode()
        ms, _, sequence = stream_id.decode().partition("-")
        return IngestEvent(
            stream_id=stream_id.decode(),
            name=name,
            id=event_id,
            key=ids.event_key(name, event_id),
            data=fields[b"d"],
            generated=b"g" in fields,
            score=int(ms) + int(sequence) / 4096,
            due_ms=int(fields.get(b"t", b"0")),
            fields=tuple(part for item in fields.items() for part in item),
        )

    async def matched(self, events: Sequence[IngestEvent]) -> dict[str, tuple[str, str]]:
        """Match events as of now; answers the versions that the matches were made with."""
        versions = {}
        for event in events:
            interest = await self.raw.hget(self.keys(f"wn:{self.app}"), event.name)
            entry = msgpack.unpackb(interest) if interest else {"v": "", "p": {}}
            version = await self.raw.hget(self.keys(f"fv:{self.app}"), event.name)
            versions[event.name] = ((version or b"").decode(), entry["v"])
            data = msgpack.unpackb(event.data)
            event.matches = [self._match(function, event, data) for function in self._listeners(event.name)]
            event.buckets = [
                f"{event.name}|{path}|{data.get(path) if path else ''}"
                for path in entry["p"]
                if not path or (isinstance(data, dict) and path in data)
            ]
            event.envelope = SUCCESS + msgpack.packb(event.id)
        return versions

    def _listeners(self, name: str) -> list[Function]:
        def hears(pattern: str) -> bool:
            return pattern == name or (pattern.endswith("*") and name.startswith(pattern[:-1]))

        return [each for each in self.functions.values() if any(hears(pattern) for pattern in each.names)]

    def _match(self, function: Function, event: IngestEvent, data: Any) -> Match:
        key = f"{self.app}/{function.id}"
        return Match(
            run=ids.run_id(key, event.key),
            function=key,
            queue=f"{self.app}:{function.queue}",
            priority_ms=function.priority_ms,
            limiters=function.limiters if isinstance(function.limiters, str) else function.limiters(data),
            policies=function.policies(data),
        )

    async def ingest_once(
        self,
        events: Sequence[IngestEvent],
        versions: Mapping[str, tuple[str, str]] | None = None,
        *,
        worker: str = "w1",
        capacity: int = 0,
        seq: int | None = None,
        queues: Collection[str] = (),
        own_queue: Collection[str] = (),
    ) -> IngestReply:
        """One call of the script."""
        if versions is None:
            versions = await self.matched(events)
        star = await self.raw.hget(self.keys(f"fv:{self.app}"), "*")
        call = ingest(
            app=self.app,
            incarnation=worker,
            seq=next(self._seq) if seq is None else seq,
            capacity=capacity,
            inline_max=self.inline_max,
            star=(star or b"").decode(),
            versions=versions,
            queues=queues or (f"{self.app}:default",),
            own_queue=frozenset(own_queue),
            events=events,
        )
        return await self.broker.do(call)

    async def ingest(self, verdict: Callable[[str, str], bool] = lambda member, text: True) -> list[IngestReply]:
        """Read all that is new and ingest it to the end, as a living worker. `verdict` decides (member, filter)."""
        replies = []
        (worker,) = await self.raw.zrange(self.keys("wk"), -1, -1) or (b"w1",)
        while events := await self.read():
            while events:
                replies.append(reply := await self.ingest_once(events, worker=worker.decode()))
                for index, member, text in reply.candidates:
                    events[index].judge(member, verdict(member, text))
                for index, reached in reply.unfinished:
                    events[index].reached = reached
                again = {*reply.stale, *(each[0] for each in (*reply.candidates, *reply.unfinished))}
                events = [events[index] for index in sorted(again)]
        return replies

    # Workers.

    async def enlist(self, *workers: str) -> None:
        for worker in workers:
            await self.broker.do(enlist(worker, ttl_ms=TTL, info={"app": self.app}))

    async def beat(self, worker: str) -> bool:
        kept, _, _ = await self.broker.do(beat(worker, ttl_ms=TTL, interval_ms=INTERVAL))
        return kept

    async def delist(self, worker: str) -> None:
        while await self.broker.do(delist(worker)) == 200:
            pass

    async def pump(
        self,
        worker: str = "w1",
        *operations: Operation,
        capacity: int = 0,
        seq: int | None = None,
        suspects: bool = True,
        sweep: bool = False,
        queues: Sequence[str] = (),
    ) -> tuple[list[Answer], PumpReply]:
        """One call of the script."""
        call = pump(
            incarnation=worker,
            app=self.app,
            seq=next(self._seq) if seq is None else seq,
            capacity=capacity,
            queues=queues or (f"{self.app}:default",),
            suspects=suspects,
            sweep=sweep,
            inline_max=self.inline_max,
            operations=operations,
        )
        return await self.broker.do(call)

    async def lease(self, worker: str = "w1", capacity: int = 10, **options: Any) -> list[LeasedRun]:
        _, reply = await self.pump(worker, capacity=capacity, **options)
        return list(reply.leased)

    async def apply(self, worker: str, *operations: Operation) -> Answer:
        """Apply operations; answers the last one's answer."""
        answers, _ = await self.pump(worker, *operations)
        return answers[-1]

    async def fire(self, worker: str = "w1") -> PumpReply:
        """Fire all due timers."""
        while (reply := (await self.pump(worker))[1]).timers:
            pass
        return reply

    async def kill(self, worker: str, *others: str) -> int:
        """Let the lease of `worker` run out while the others beat, and take its runs back. Answers how many."""
        for _ in range(4):
            self.advance(INTERVAL)
            for other in others:
                await self.beat(other)
        reaped = 0
        while await self.raw.zscore(self.keys("wk"), worker) is not None:
            reaped += (await self.pump(others[0], sweep=True))[1].reaped
        return reaped

    async def reconcile(
        self, worker: str, held: Sequence[LeasedRun] = (), *, seq: int | None = None, **options: Any
    ) -> tuple[int, tuple[str, ...], tuple[Any, ...]]:
        number = next(self._seq) if seq is None else seq
        return await self.broker.do(reconcile(worker, seq=number, held=held, **options))

    async def start(self, data: Any = None, *, name: str = "go", worker: str = "w1", id: str = "") -> LeasedRun:
        """Send an event, ingest it, and lease the one run it makes."""
        await self.send(name, data, id=id)
        await self.ingest()
        (run,) = await self.lease(worker, 1)
        return run

    async def complete(self, run: LeasedRun, worker: str = "w1") -> Answer:
        return await self.apply(worker, operations.complete(run, b"\xc0"))

    async def fail(self, run: LeasedRun, worker: str = "w1", *, step: str = "") -> Answer:
        operation = operations.fail(run, NO_ERROR, type="ValueError", message="no", step=step)
        return await self.apply(worker, operation)

    # Looking.

    async def state(self, run: str) -> RunState | None:
        letter = await self.raw.hget(self.keys.run(run), "s")
        return RunState.from_letter(letter) if letter else None

    async def record(self, run: str) -> dict[str, str]:
        stored = await self.raw.hgetall(self.keys.run(run))
        return {name.decode(): value.decode("utf-8", "replace") for name, value in stored.items()}

    async def steps(self, run: str) -> dict[str, bytes]:
        return {name.decode(): value for name, value in (await self.raw.hgetall(self.keys.steps(run))).items()}

    async def snapshot(self) -> dict[str, Any]:
        """All that is stored, but for what every call writes; to show that a call changed nothing."""
        found = await self.stored()
        for name, value in found.items():
            if name.startswith("wi:"):
                value.pop(b"seq")
        found.pop("gr", None)
        return found

    async def stored(self) -> dict[str, Any]:
        """All that is stored, by key name without its prefix."""
        names = [key async for key in self.raw.scan_iter(self.keys("*"), count=10_000)]
        async with self.raw.pipeline(transaction=False) as types, self.raw.pipeline(transaction=False) as values:
            for name in names:
                types.type(name)
            for name, kind in zip(names, await types.execute(), strict=True):
                _READ[kind.decode()](values, name)
            found = await values.execute()
        return {name.decode().removeprefix(self.keys.prefix): value for name, value in zip(names, found, strict=True)}
