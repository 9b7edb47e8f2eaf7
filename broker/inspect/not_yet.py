"""Whether a run that is not recorded may still come: its event is accepted, but not ingested yet, or delayed.

A run's id is computed from its function and its event. So the question is answered by computing the ids of the runs
that the events still to be ingested can make, for every registered function.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..conversation import Command, Talk, reliably
from ..ids import event_key, run_id
from ..keys import Keys
from ..patience import Patience

LOOK_AT = 1_000  # events still to be ingested; with more of them, the answer is "perhaps"
_PAGE = 100
_DELAYED_PAGES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """What can make a run that is not recorded yet."""

    function: str = ""  # key; "" if there are too many events to look at
    due_ms: int | None = None  # of a delayed event
    before: int | None = None  # events that its app reads before it; 0: a worker has read it


def may_come(keys: Keys, patience: Patience, run: str) -> Talk[bool]:
    """Whether an event that waits for its ingest, or for its time, can make this run."""
    return (yield from coming(keys, patience, run)) is not None


def coming(keys: Keys, patience: Patience, run: str) -> Talk[Coming | None]:
    """The event that can make this run, among those that wait for their ingest or for their time."""
    groups = (yield from reliably(patience, ("SMEMBERS", keys("ap"))))[0]
    apps = [app.decode() for app in groups]
    functions = yield from _functions(keys, patience, apps)
    start, delivered = yield from _first_unread(keys, patience, apps)
    looked: list[bytes] = []
    while start is not None and len(looked) < LOOK_AT:
        entries = (yield from reliably(patience, ("XRANGE", keys.events, start, "+", "COUNT", _PAGE)))[0]
        for stream_id, flat in entries:
            fields = dict(zip(flat[::2], flat[1::2], strict=False))
            fields.setdefault(b"i", stream_id)
            function = _made(run, fields, functions)
            if function is not None:
                last = _position(delivered.get(function.partition("/")[0], b"0-0"))
                unread = [each for each in looked if _position(each) > last]
                return Coming(function=function, before=len(unread))
            looked.append(stream_id)
        start = b"(" + entries[-1][0] if len(entries) == _PAGE else None
    if start is not None or (not apps and looked):
        return Coming()  # too many to look at; or nobody has registered, so that every function is possible
    return (yield from _delayed(keys, patience, run, functions))


def _functions(keys: Keys, patience: Patience, apps: list[str]) -> Talk[list[str]]:
    if not apps:
        return []
    replies = yield from reliably(patience, *[("HKEYS", keys(f"fn:{app}")) for app in apps])
    return [
        f"{app}/{field[2:].decode()}"
        for app, fields in zip(apps, replies, strict=True)
        for field in fields
        if field.startswith(b"f:")
    ]


def _first_unread(keys: Keys, patience: Patience, apps: list[str]) -> Talk[tuple[bytes | None, dict[str, bytes]]]:
    """Where the events begin that some app has not ingested, if there are any; and per app the last it was given."""
    if not apps:
        return b"-", {}
    exists = (yield from reliably(patience, ("EXISTS", keys.events)))[0]
    if not exists:
        return None, {}
    groups = (yield from reliably(patience, ("XINFO", "GROUPS", keys.events)))[0]
    told = [dict(zip(group[::2], group[1::2], strict=True)) for group in groups]
    commands: list[Command] = [("XPENDING", keys.events, group[b"name"]) for group in told]
    if not commands:
        return b"-", {}
    pending = yield from reliably(patience, *commands)
    delivered = {group[b"name"].decode(): group[b"last-delivered-id"] for group in told}
    starts: list[bytes] = [b"(" + last for last in delivered.values()]
    starts += [summary[1] for summary in pending if summary[0]]
    return min(starts, key=_position), delivered


def _position(start: bytes) -> tuple[int, int, int]:
    first, _, second = start.lstrip(b"(").partition(b"-")
    return int(first), int(second or 0), int(start.startswith(b"("))


def _made(run: str, fields: dict[bytes, Any], functions: Iterable[str]) -> str | None:
    """The function of which an event makes this run; None: it does not."""
    try:
        key = event_key(fields[b"n"].decode(), fields[b"i"].decode())
    except (KeyError, UnicodeDecodeError):
        return None
    direct = fields.get(b"f")
    if direct is not None:
        functions = [direct.decode("utf-8", "replace")]
    return next((function for function in functions if run_id(function, key) == run), None)


def _delayed(keys: Keys, patience: Patience, run: str, functions: list[str]) -> Talk[Coming | None]:
    cursor: Any = b"0"
    for _ in range(_DELAYED_PAGES):
        cursor, flat = (yield from reliably(patience, ("ZSCAN", keys("dl"), cursor, "MATCH", "e|*", "COUNT", LOOK_AT)))[
            0
        ]
        for member, due in zip(flat[::2], flat[1::2], strict=True):
            key = member[2:].decode()
            for function in functions:
                if run_id(function, key) == run:
                    return Coming(function=function, due_ms=int(float(due)))
        if cursor == b"0":
            return None
    return Coming()
