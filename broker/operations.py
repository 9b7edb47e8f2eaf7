"""The fenced operations a worker asks pump to apply, one builder per verb.

An operation is a flat tuple that travels as one msgpack array: verb letter, run id, fence number, then its arguments.
`broker/lua/lib/operations.lua` reads them; the two files change together. The verbs in capitals are of plain runs (see
`LeasedRun.plain`): `broker/lua/lib/commit.lua` carries them out with fewer commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from .model import LeasedRun, PendKind

#: Opaque to everyone but this file and the script.
Operation: TypeAlias = tuple[Any, ...]

SUCCESS = b"\x92\x00"  # msgpack: array of two, code 0; the value follows
FAILURE = b"\x92\x01"  # code 1; the error map follows
SMALL_CHECKPOINT = 256  # bytes up to which the size of a checkpoint is not counted
NOTHING = SUCCESS + b"\xc0"  # what a sleep, or a wait that timed out, comes to


def complete(run: LeasedRun, result: bytes) -> Operation:
    """End the run as completed. `result` is encoded (the return value's msgpack)."""
    return ("C" if run.plain else "c", run.id, run.g, result)


def fail(
    run: LeasedRun,
    error: bytes,
    *,
    type: str,
    message: str,
    fingerprint: str = "",
    step: str = "",
    reason: str = "error",
) -> Operation:
    """End the run as failed: one dead letter, `on_failure`, the parent told.

    `error` is the encoded error map; `type`, `message`, `fingerprint` describe it in the dead letter; `step` is the key
    of the step whose StepFailed escaped (a replay from the failed step forgets that outcome).
    """
    return ("f", run.id, run.g, error, type, message[:500], fingerprint, step, reason)


def retry(run: LeasedRun, delay_ms: int, error: bytes) -> Operation:
    """The attempt failed outside steps: leave, and become ready again in `delay_ms`. Uses up a run attempt."""
    return ("r", run.id, run.g, delay_ms, error)


def give_back(run: LeasedRun) -> Operation:
    """Hand the run back to its queue without using up an attempt; its score is kept."""
    return ("b", run.id, run.g)


def move(run: LeasedRun) -> Operation:
    """This worker lacks the function: put the run on the queue that only workers which have it read."""
    return ("m", run.id, run.g)


def cancelled(run: LeasedRun) -> Operation:
    """The run stopped because it was asked to."""
    return ("x", run.id, run.g)


def checkpoint(run: LeasedRun, step: str, envelope: bytes, events: Sequence[Sequence[bytes | str]] = ()) -> Operation:
    """Store a step's outcome once, and append `events` (flat lists of stream fields) in the same transition.

    Answers DUP with the stored outcome if there was one: the events are then not appended.
    """
    if run.plain and not events and len(envelope) <= SMALL_CHECKPOINT:
        return ("K", run.id, run.g, step, envelope)
    return ("k", run.id, run.g, step, envelope, [list(fields) for fields in events])


def pend(
    run: LeasedRun,
    step: str,
    kind: PendKind,
    *,
    delay_ms: int = 0,
    at_ms: int = 0,
    spec: Sequence[Any] = (),
) -> Operation:
    """Register a pending step; due `delay_ms` after the server's now, or at server time `at_ms`.

    The first registration's due time is kept. Answers DUP with the outcome if the step has one already. `spec` by kind:
    EVENT (from `wait_spec`), SIGNAL (from `signal_spec`), INVOKE (from `invoke_spec`), RETRY: [error, failed try];
    SLEEP: nothing.
    """
    run.plain = False
    return ("p", run.id, run.g, step, kind.value, delay_ms, at_ms, list(spec))


def suspend(run: LeasedRun, steps: Sequence[str]) -> Operation:
    """Leave the worker until one of the named pending steps has an outcome (ready at once if one has)."""
    if not steps:
        raise ValueError("a run can only suspend on at least one pending step")
    return ("s", run.id, run.g, list(steps))


def progress(run: LeasedRun, percent: float, message: str) -> Operation:
    """Store how far the run is: 0 to 100, and a short message."""
    return ("g", run.id, run.g, f"{percent:g}", message)


def wait_spec(name: str, path: str, value_hash: str, filter: str = "") -> list[str]:
    """The spec of a wait for an event: name, indexed path (or "") with the hash of the value, residual filter."""
    return [name, path, value_hash, filter]


def signal_spec(name: str) -> list[str]:
    """The spec of a wait for a signal."""
    return [name]


def invoke_spec(
    *,
    child: str,
    function: str,
    queue: str,
    limiters: str,
    priority_ms: int,
    event_id: str,
    data: bytes,
    leave: bool = False,
    policies: Sequence[Sequence[Any]] = (),
) -> list[Any]:
    """The spec of an invoke: the child run to create (id from `ids.run_id`) and whether it outlives the parent."""
    return [child, function, queue, limiters, priority_ms, event_id, data, 1 if leave else 0, policies]
