"""Runs as they are stored: one, many by id, and the steps of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..codec import decode
from ..conversation import Command, Talk, reliably
from ..errors import Undecodable
from ..keys import Keys
from ..model import PendKind, RunState
from ..patience import Patience
from ..run_info import ErrorInfo, Progress, RunInfo, StepInfo, created_ms, moment

_RECORD = ("s", "f", "n", "i", "q", "t", "sc", "b", "z", "a", "k", "w", "x", "ro", "rc", "pa", "kd", "dl", "o")
_OUTCOME = ("@r", "@e", "@p", "x:@run")
_PAGE = 200  # runs per exchange: their results travel along
_KINDS: Mapping[str, str] = {
    PendKind.SLEEP: "sleep",
    PendKind.EVENT: "event",
    PendKind.SIGNAL: "signal",
    PendKind.INVOKE: "invoke",
}


def read_run(keys: Keys, patience: Patience, run: str) -> Talk[RunInfo | None]:
    """One run; None if nothing is stored under that id."""
    found = yield from read_runs(keys, patience, [run])
    return found[0]


def read_runs(keys: Keys, patience: Patience, runs: Sequence[str]) -> Talk[list[RunInfo | None]]:
    """Many runs, in the order of their ids; None where nothing is stored."""
    found: list[RunInfo | None] = []
    for start in range(0, len(runs), _PAGE):
        page = runs[start : start + _PAGE]
        commands: list[Command] = []
        for run in page:
            commands += [("HMGET", keys.run(run), *_RECORD), ("HMGET", keys.steps(run), *_OUTCOME)]
        replies = yield from reliably(patience, *commands)
        found += [parse_run(run, *replies[2 * place : 2 * place + 2]) for place, run in enumerate(page)]
    return found


def parse_run(run: str, record: Sequence[bytes | None], outcome: Sequence[bytes | None]) -> RunInfo | None:
    """A run from the fields of its two hashes."""
    r = dict(zip(_RECORD, record, strict=True))
    o = dict(zip(_OUTCOME, outcome, strict=True))
    if r["s"] is None:
        return None
    state = RunState.from_letter(r["s"])
    function = _text(r["f"])
    queue = _text(r["q"]).split(":")
    result = r["o"] if r["o"] is not None else o["@r"]
    error = o["@e"] if o["@e"] is not None else (None if state is RunState.COMPLETED else o["x:@run"])
    return RunInfo(
        id=run,
        function=function,
        app=function.partition("/")[0],
        state=state,
        event_id=_text(r["i"]),
        event_name=_text(r["n"]),
        attempt=int(r["a"] or 0) + 1,
        crashes=int(r["k"] or 0),
        queue=queue[1] if len(queue) > 1 else queue[0],
        created=moment(created_ms(r["t"], r["sc"])),
        started=moment(r["b"]),
        finished=moment(r["z"]),
        result=None if result is None else _value(result),
        error=None if error is None else _error(error),
        progress=None if o["@p"] is None else _progress(o["@p"]),
        worker=_text(r["w"]) if state is RunState.RUNNING else None,
        cancelling=r["x"] is not None and not state.terminal,
        replay_of=_text(r["ro"]) or None,
        replays=int(r["rc"] or 0),
        parent=_text(r["pa"]) or None,
        kind=_text(r["kd"]) or "event",
        dead_letter=_text(r["dl"]) or None,
    )


def read_steps(keys: Keys, patience: Patience, run: str, *, ended: bool) -> Talk[list[StepInfo]]:
    """The steps of a run that are known by now, in the order in which they were first recorded.

    Args:
        keys: the namespace's keys.
        patience: how long to wait for the server.
        run: its id.
        ended: whether the run has ended: then nothing of it waits or is tried again.
    """
    flat = (yield from reliably(patience, ("HGETALL", keys.steps(run))))[0]
    checkpoints: dict[str, bytes] = {}
    waiting: dict[str, bytes] = {}
    failures: dict[str, int] = {}
    errors: dict[str, bytes] = {}
    order: dict[str, None] = {}
    for field, value in zip(flat[::2], flat[1::2], strict=True):
        kind, colon, key = _text(field).partition(":")
        if not colon or key.startswith("@") or kind not in "cpfx":
            continue
        order[key] = None
        if kind == "c":
            checkpoints[key] = value
        elif kind == "p":
            waiting[key] = value
        elif kind == "f":
            failures[key] = int(value)
        elif kind == "x":
            errors[key] = value
    steps = [_step(key, checkpoints.get(key), waiting.get(key), failures.get(key, 0), errors.get(key)) for key in order]
    if not ended:
        return steps
    return [
        replace(step, state="unfinished", attempt=max(1, failures.get(step.key, 0)), due=None)
        if step.state in ("waiting", "retrying")
        else step
        for step in steps
    ]


def _step(key: str, checkpoint: bytes | None, waiting: bytes | None, failures: int, error: bytes | None) -> StepInfo:
    last = None if error is None else _error(error)
    if checkpoint is not None:
        envelope = _value(checkpoint)
        failed = isinstance(envelope, list) and len(envelope) == 2 and envelope[0] == 1
        return StepInfo(
            key=key,
            kind="step",
            state="failed" if failed else "completed",
            attempt=failures + 1,
            result=None if failed else envelope[1] if isinstance(envelope, list) else envelope,
            error=ErrorInfo.from_map(envelope[1]) if failed and isinstance(envelope[1], dict) else None,
        )
    if waiting is not None:
        kind, due = _pending(waiting)
        retrying = kind == PendKind.RETRY.value
        return StepInfo(
            key=key,
            kind="step" if retrying else _KINDS.get(kind, "step"),
            state="retrying" if retrying else "waiting",
            attempt=failures + 1,
            due=moment(due),
            error=last,
        )
    return StepInfo(key=key, kind="step", state="retrying", attempt=failures + 1, error=last)


def _pending(packed: bytes) -> tuple[str, float]:
    try:
        kind, due = _value(packed)[:2]
        return kind.decode() if isinstance(kind, bytes) else str(kind), float(due)
    except (ValueError, TypeError):
        return "", 0.0  # unreadable: the run fails when its timer fires


def _progress(packed: bytes) -> Progress | None:
    stored = _value(packed)
    if not isinstance(stored, list) or len(stored) < 2:
        return None
    return Progress(percent=float(stored[0]), message=str(stored[1]))


def _error(packed: bytes) -> ErrorInfo:
    stored = _value(packed)
    return ErrorInfo.from_map(stored) if isinstance(stored, dict) else ErrorInfo(type="Error", message=str(stored))


def _value(packed: bytes) -> Any:
    try:
        return decode(packed)
    except Undecodable as error:
        return f"({error.what})"


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")
