"""What one run costs inside Redis, call by call: CPU time of the server, as Linux' scheduler counts it.

`python -m bench.redis_time [calls of each kind]`. There is no worker: the transitions are called one by one as a worker
calls them that has 200 runs at hand, so that the figures depend on the scripts alone.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgpack

from bench.server import Server
from bgjobs.broker import ids, operations
from bgjobs.broker.broker import SyncBroker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.model import OK, IngestEvent, LeasedRun, Match
from bgjobs.broker.operations import Operation
from bgjobs.broker.scripts import script
from bgjobs.broker.transitions import Call, Definition, enlist, ingest, pump, register

T = TypeVar("T")

BATCH = 200
CALLS = 50
WARM_UP = 5
APP, QUEUE, EVENT, WORKER = "shop", "shop:default", "order/created", "w1"
FUNCTION = f"{APP}/process-order"
DATA: bytes = msgpack.packb({"n": 1, "customer": "c" * 20, "note": "n" * 150})
STEPS = ("charge-card", "reserve", "send-receipt")
ANSWER = b"\x92\x00\x2a"
NONE = b"\xc0"


class Meter:
    """CPU time of one process' first thread, call by call, by what it was spent on."""

    def __init__(self, process: int) -> None:
        self._file = Path(f"/proc/{process}/schedstat")
        self.spent: dict[str, list[int]] = {}  # ns

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        before = self._now()
        yield
        self.spent.setdefault(what, []).append(self._now() - before)

    def _now(self) -> int:
        return int(self._file.read_text().split()[0])


class Driver:
    """One worker's calls, without the worker."""

    def __init__(self, broker: SyncBroker, process: int) -> None:
        self._broker = broker
        self._raw: Any = broker.client
        self._seq = itertools.count(1)
        self.meter = Meter(process)
        body = msgpack.packb([FUNCTION])
        definition = Definition(id="process-order", body=body, names=(EVENT,), on_failure="", on_failure_queue="")
        broker.do(register(APP, deployment="d", stamp="1", definitions=[definition], start_at="begin"))
        broker.do(enlist(WORKER, ttl_ms=3_600_000, info={"app": APP}))
        self._version = self._raw.hget(broker.keys(f"fv:{APP}"), EVENT).decode()
        for name in ("ingest", "pump"):
            self._raw.script_load(script(name).text)

    def send(self, number: int) -> None:
        pipe = self._raw.pipeline(transaction=False)
        for _ in range(number):
            fields = {"n": EVENT, "i": ids.new_event_id(), "g": "1", "d": DATA}
            pipe.xadd(self._broker.keys.events, fields)
        pipe.execute()

    def read(self) -> list[IngestEvent]:
        with self.meter.on("read"):
            reply = self._raw.execute_command(
                "XREADGROUP", "GROUP", APP, WORKER, "COUNT", BATCH, "STREAMS", self._broker.keys.events, ">"
            )
        return [_event(stream_id.decode(), fields) for stream_id, fields in reply[0][1]]

    def ingest(self, what: str, events: Sequence[IngestEvent], *, capacity: int) -> list[tuple[str, bytes]]:
        """Answers (run, fence) of what was leased."""
        call = ingest(
            app=APP,
            incarnation=WORKER,
            seq=next(self._seq) if capacity else 0,
            capacity=capacity,
            inline_max=1024,
            star="",
            versions={EVENT: (self._version, "")},
            queues=(QUEUE,),
            events=events,
        )
        reply = self._do(what, call)
        return [(events[index].matches[match].run, g) for index, match, g in reply.leased]

    def pump(self, what: str, operations: Sequence[Operation] = (), *, capacity: int = 0) -> list[tuple[str, bytes]]:
        """Answers (run, fence) of what was leased."""
        call = pump(
            incarnation=WORKER,
            app=APP,
            seq=next(self._seq) if capacity else 0,
            capacity=capacity,
            queues=(QUEUE,),
            inline_max=1024,
            operations=operations,
        )
        answers, reply = self._do(what, call)
        if any(answer != OK for answer in answers):
            raise RuntimeError(f"{what}: {answers}")
        return [(run.id, run.g) for run in reply.leased]

    def _do(self, what: str, call: Call[T]) -> T:
        with self.meter.on(what):
            return self._broker.do(call)


def _event(stream_id: str, fields: dict[bytes, bytes]) -> IngestEvent:
    event_id = fields[b"i"].decode()
    key = ids.event_key(EVENT, event_id)
    ms, _, sequence = stream_id.partition("-")
    return IngestEvent(
        stream_id=stream_id,
        name=EVENT,
        id=event_id,
        key=key,
        data=fields[b"d"],
        generated=True,
        score=int(ms) + (int(sequence) & 4095) / 4096,
        matches=[Match(run=ids.run_id(FUNCTION, key), function=FUNCTION, queue=QUEUE)],
    )


def _held(leased: Sequence[tuple[str, bytes]]) -> list[LeasedRun]:
    return [
        LeasedRun(
            id=run,
            app=APP,
            function=FUNCTION,
            g=g,
            queue=QUEUE,
            event_name=EVENT,
            event_id="",
            data=DATA,
            created_ms=0,
            now_ms=0,
            started_ms=0,
            plain=True,
        )
        for run, g in leased
    ]


def one_round(driver: Driver) -> None:
    """200 runs that are leased as they are made; and 200 that wait in the queue, and make three steps."""
    driver.send(BATCH)
    leased = _held(driver.ingest("ingest, leasing", driver.read(), capacity=BATCH))
    driver.pump("complete", [operations.complete(run, NONE) for run in leased])
    driver.send(BATCH)
    driver.ingest("ingest, queueing", driver.read(), capacity=0)
    leased = _held(driver.pump("lease from the queue", capacity=BATCH))
    for step in STEPS:
        driver.pump("checkpoint", [operations.checkpoint(run, step, ANSWER) for run in leased])
    driver.pump("complete with steps", [operations.complete(run, NONE) for run in leased])


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    with Server() as server:
        driver = Driver(SyncBroker(Endpoint(url=server.url), "speed"), server.process)
        for _ in range(WARM_UP):
            one_round(driver)
        driver.meter.spent.clear()
        for _ in range(calls):
            one_round(driver)
    # What others do on this machine makes calls slower, never faster: the least says most about the scripts.
    ranked = {what: sorted(ns / 1000 / BATCH for ns in spent) for what, spent in driver.meter.spent.items()}
    print(f"{'us per run':22} {'least':>7} {'median':>7}")
    for what, spent in (ranked | _whole_runs(ranked)).items():
        print(f"{what:22} {spent[0]:7.2f} {spent[len(spent) // 2]:7.2f}")


def _whole_runs(ranked: dict[str, list[float]]) -> dict[str, list[float]]:
    def total(*parts: str) -> list[float]:
        every = [ranked[part] for part in parts]
        return [sum(each[0] for each in every), sum(each[len(each) // 2] for each in every)]

    begun = ("read", "ingest, leasing")
    return {
        "no-op run": total(*begun, "complete"),
        "run of three steps": total(*begun, *["checkpoint"] * 3, "complete with steps"),
    }


if __name__ == "__main__":
    main()
