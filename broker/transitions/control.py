"""What operators and clients ask for: cancel, signal, replay, discard, delayed events, schedules; and the trim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..model import RunState
from .call import Call, pack, text


def cancel(runs: Sequence[str], *, reason: str = "cancelled", inline_max: int = 0) -> Call[list[str]]:
    """Answers per run: "missing", "done" (had ended), "cancelled", or "requested" (it runs; its worker is told)."""
    call = pack({"runs": runs, "reason": reason, "inline_max": inline_max})
    return Call("cancel", call, lambda reply: [text(word) for word in reply])


def signal(name: str, envelope: bytes, *, keep_ms: int = 0) -> Call[int]:
    """Answers how many waits it resolved; 100: call again. Kept for a late waiter if it resolved none."""
    return Call("signal", pack({"name": name, "envelope": envelope, "keep": keep_ms}), int)


def replay(
    run: str,
    *,
    new: str = "",
    function: str = "",
    queue: str = "",
    limiters: str = "",
    data: bytes = b"",
    inline_max: int = 0,
) -> Call[tuple[str, str]]:
    """From the failed step in place, or, if `new` names a run id, from the start as that run.

    Answers ("OK" | "missing" | "not failed" | "not finished" | "exists", run id).
    """
    call = {
        "run": run,
        "start": 1 if new else 0,
        "new": new,
        "function": function,
        "queue": queue,
        "limiters": limiters,
        "data": data,
        "inline_max": inline_max,
    }
    return Call("replay", pack(call), lambda reply: (text(reply[0]), text(reply[1])))


def discard(entries: Sequence[str]) -> Call[int]:
    """Remove dead letters by entry id. Answers how many were there."""
    return Call("discard", pack({"entries": entries}), int)


def delayed(event_key: str, *, due_ms: int = 0) -> Call[bool]:
    """Reschedule a delayed event to `due_ms`, or cancel it (0). Answers False if it is not waiting (any more)."""
    return Call("delayed", pack({"key": event_key, "due": due_ms}), lambda reply: bool(reply == b"OK"))


def schedule(id: str, body: bytes, *, next_ms: int = 0, create: bool = False) -> Call[str]:
    """Store a schedule (an empty `body` deletes it); `next_ms` 0: paused. Answers "OK", "exists" or "missing"."""
    return Call("schedule", pack({"id": id, "body": body, "next": next_ms, "create": 1 if create else 0}), text)


def trim(
    functions: Sequence[str],
    *,
    history_ms: int,
    history_max: int,
    keep: Mapping[RunState, tuple[int, int]],
    letters_ms: int,
    budget: int = 200,
) -> Call[tuple[int, int, int, bool]]:
    """Let finished things go; `keep` gives per terminal state (age in ms, count).

    Answers (runs, stream entries, dead letters removed, whether work is left).
    """
    argument: dict[str, Any] = {
        "functions": functions,
        "history_ms": history_ms,
        "history_max": history_max,
        "keep": {state.letter: kept for state, kept in keep.items()},
        "letters_ms": letters_ms,
        "budget": budget,
    }
    return Call("trim", pack(argument), lambda reply: (int(reply[0]), int(reply[1]), int(reply[2]), reply[3] == 1))
