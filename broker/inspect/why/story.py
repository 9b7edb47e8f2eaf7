"""What a run went through, in order: when it was made and started, each attempt that failed, how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgpack

from ...codec import decode
from ...conversation import Talk, reliably
from ...errors import Undecodable
from ...explanation import Happening
from ...model import RunState
from ...run_info import ErrorInfo, moment
from .facts import Asking, Facts

KEPT = 50  # entries that a run keeps, see lib/history.lua


def read_history(asking: Asking, facts: Facts) -> Talk[list[Happening]]:
    """The whole story, as far as it is kept."""
    key = asking.keys.steps(facts.run_id)
    places = [f"h:{place}" for place in range(KEPT)]
    (kept,) = yield from reliably(asking.patience, ("HMGET", key, "@e", "@n", *places))
    error, count, *packed = kept
    entries = sorted(_entry(each) for each in packed if each is not None)
    history = [Happening(time=moment(facts.number("t")), what="created", text=_made(facts))]
    if count is not None and int(count) > len(entries):
        history.append(Happening(time=None, what="...", text=f"{int(count) - len(entries):,} entries are not kept"))
    told = [happening for entry in entries for happening in _happenings(entry)]
    if facts["b"] and not any(each.time == moment(facts.number("b")) and each.what == "started" for each in told):
        told.append(Happening(time=moment(facts.number("b")), what="started", text="for the first time"))
    history += sorted(told, key=lambda each: (each.time is None, each.time))
    if facts["z"]:
        history.append(_end(facts, error))
    return history


def _entry(packed: bytes) -> list[Any]:
    # A message that was cut may end within a character.
    parts = msgpack.unpackb(packed, raw=True)
    return [part.decode("utf-8", "replace") if isinstance(part, bytes) else part for part in parts]


def _made(facts: Facts) -> str:
    by = f"by the event {facts['n']} {facts['i']}".rstrip()
    if facts["pa"]:
        return f"by the run {facts['pa']}, step {facts['ps']}"
    return f"as a replay of {facts['ro']}" if facts["ro"] else by


def _happenings(entry: Sequence[Any]) -> Iterator[Happening]:
    _, at, kind, since, worker, attempt, step, name, message = entry
    error = f"{name}: {message}" if message else name
    match kind:
        case "attempt":
            if since:
                yield Happening(time=moment(since), what="started", attempt=attempt, worker=worker)
            yield Happening(time=moment(at), what="attempt failed", text=error, attempt=attempt, worker=worker)
        case "step":
            yield Happening(time=moment(at), what="step failed", text=error, step=step, attempt=attempt, worker=worker)
        case "died":
            if since:
                yield Happening(time=moment(since), what="started", attempt=attempt, worker=worker)
            yield Happening(
                time=moment(at),
                what="worker died",
                text="the lease of its worker was over",
                attempt=attempt,
                worker=worker,
            )
        case "replay":
            yield Happening(time=moment(since), what="failed", text=error, step=step, attempt=attempt, worker=worker)
            yield Happening(time=moment(at), what="replayed", text="from its failed step")


def _end(facts: Facts, packed: bytes | None) -> Happening:
    state = RunState.from_letter(facts["s"].encode())
    error = None if packed is None else _error(packed)
    text = "" if error is None else f"{error.type}: {error.message}"
    if facts["b"] and state is RunState.COMPLETED:
        text = f"{(facts.number('z') - facts.number('b')) / 1000:,.3f} s after its first start"
    if facts["dl"]:
        text += f"; dead letter {facts['dl']}"
    return Happening(
        time=moment(facts.number("z")),
        what=str(state),
        text=text,
        step=(error and error.step) or "",
        attempt=facts.number("a") + 1,
        worker=facts["w"],
    )


def _error(packed: bytes) -> ErrorInfo:
    try:
        stored = decode(packed)
    except Undecodable as error:
        return ErrorInfo(type="Error", message=error.what)
    return ErrorInfo.from_map(stored) if isinstance(stored, dict) else ErrorInfo(type="Error", message=str(stored))
