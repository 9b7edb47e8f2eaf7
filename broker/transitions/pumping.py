"""The pump: operations, timers, reaping and leasing in one round trip."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import msgpack

from ..model import OK, Answer, CronDue, LeasedRun, PumpReply, Resolution, Status
from ..operations import Operation
from ..run_info import created_ms
from .call import Call, dropped_runs, pack, pairs, text


def pump(
    *,
    incarnation: str,
    app: str,
    seq: int = 0,
    capacity: int = 0,
    queues: Sequence[str] = (),
    suspects: bool = False,
    sweep: bool = False,
    inline_max: int = 0,
    operations: Sequence[Operation] = (),
) -> Call[tuple[list[Answer], PumpReply]]:
    """Apply `operations`, fire due timers, and lease up to `capacity` runs of `queues` to the incarnation.

    `seq` must grow from leasing call to leasing call (R18). `suspects`: a run that may have killed workers may be among
    them, because the incarnation holds none (R21). `sweep`: also reap a dead worker and answer due cron entries.
    """
    argument = pack(
        {
            "w": incarnation,
            "app": app,
            "seq": seq,
            "cap": capacity,
            "queues": queues,
            "suspects": 1 if suspects else 0,
            "sweep": 1 if sweep else 0,
            "inline_max": inline_max,
            "ops": operations,
        }
    )
    count = len(operations)
    return Call("pump", argument, lambda reply: _read(reply, count))


def _read(reply: list[Any], count: int) -> tuple[list[Answer], PumpReply]:
    exceptions, runs, mail, cron, moved, facts, *dropped = reply
    answers = [OK] * count
    for index, status, data in zip(exceptions[::3], exceptions[1::3], exceptions[2::3], strict=True):
        answers[index] = Answer(Status(text(status)), data)
    now = facts[0]
    return answers, PumpReply(
        leased=tuple(leased_run(*run, now_ms=now) for run in runs),
        resolutions=tuple(resolution(message) for message in mail),
        cron=tuple(
            CronDue(entry=text(entry), tick_ms=int(float(tick)))
            for entry, tick in zip(cron[::2], cron[1::2], strict=True)
        ),
        next_due_ms=max(0, facts[1] - now) if facts[1] else None,
        more=facts[2] == 1,
        refused=facts[3] == 1,
        moved=tuple(text(function) for function in moved),
        reaped=facts[4],
        timers=facts[5],
        lateness_ms=facts[6],
        dropped=dropped_runs(dropped[0]) if dropped else (),
        now_ms=now,
    )


def resolution(message: bytes) -> Resolution:
    run, g, step, envelope = msgpack.unpackb(message, raw=True)
    return Resolution(run=text(run), g=g, step=text(step), envelope=envelope)


def leased_run(
    rid: bytes, g: bytes, record: list[bytes], data: bytes, steps: list[bytes], fetch: bytes, *, now_ms: int
) -> LeasedRun:
    fields = pairs(record)
    app, _, function = text(fields[b"f"]).partition("/")
    run = LeasedRun(
        id=text(rid),
        app=app,
        function=function,
        g=g,
        queue=text(fields[b"q"]),
        event_name=text(fields[b"n"]),
        event_id=text(fields[b"i"]),
        data=fields.get(b"d", data),
        created_ms=created_ms(fields.get(b"t"), fields[b"sc"]),
        now_ms=now_ms,
        started_ms=int(fields.get(b"b", 0)) or now_ms,
        failures=int(fields.get(b"a", 0)),
        crashes=int(fields.get(b"k", 0)),
        replay=int(fields.get(b"rc", 0)),
        cancel=b"x" in fields,
        partition=text(fields.get(b"pk", b"")),
        parent=text(fields.get(b"pa", b"")),
        replay_of=text(fields.get(b"ro", b"")),
        kind=text(fields.get(b"kd", b"")),
        steps_elsewhere=fetch == b"1",
        plain=fetch == b"p",
    )
    read_steps(run, pairs(steps))
    return run


def read_steps(run: LeasedRun, steps: dict[bytes, bytes]) -> None:
    """Fill a leased run with what its steps hash holds (`keys.steps`)."""
    for field, value in steps.items():
        kind, step = field[:2], text(field[2:])
        if kind == b"c:":
            run.checkpoints[step] = value
        elif kind == b"f:":
            run.step_failures[step] = int(value)
        elif kind == b"p:" and not step.startswith("@"):  # those are the run's own: time-outs, cancel_on
            # One that can't be read must not make the whole reply unreadable, for whoever leases the run: the step is
            # registered anew if the code comes to it.
            with contextlib.suppress(Exception):
                letter, due = msgpack.unpackb(value, raw=True)[:2]
                run.pending[step] = (text(letter), int(due))
