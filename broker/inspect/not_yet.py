"""Whether a run that is not recorded may still come: its event is accepted, but not ingested yet, or delayed.

A run's id is computed from its function and its event. So the question is answered by computing the ids of the runs
that the events still to be ingested can make, for every registered function.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..conversation import Command, Talk, reliably
from ..ids import event_key, run_id
from ..keys import Keys
from ..patience import Patience

LOOK_AT = 1_000  # events still to be ingested; with more of them, the answer is "perhaps"
_PAGE = 100
_DELAYED_PAGES = 20


def may_come(keys: Keys, patience: Patience, run: str) -> Talk[bool]:
    """Whether an event that waits for its ingest, or for its time, can make this run."""
    groups = (yield from reliably(patience, ("SMEMBERS", keys("ap"))))[0]
    apps = [app.decode() for app in groups]
    functions = yield from _functions(keys, patience, apps)
    start = yield from _first_unread(keys, patience, apps)
    looked = 0
    while start is not None and looked < LOOK_AT:
        entries = (yield from reliably(patience, ("XRANGE", keys.events, start, "+", "COUNT", _PAGE)))[0]
        for stream_id, flat in entries:
            fields = dict(zip(flat[::2], flat[1::2], strict=False))
            fields.setdefault(b"i", stream_id)
            if _makes(run, fields, functions):
                return True
        looked += len(entries)
        start = b"(" + entries[-1][0] if len(entries) == _PAGE else None
    if start is not None or (not apps and looked):
        return True  # too many to look at; or nobody has registered, so that every function is possible
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


def _first_unread(keys: Keys, patience: Patience, apps: list[str]) -> Talk[bytes | None]:
    """Where the events begin that some app has not ingested; None if there are none."""
    if not apps:
        return b"-"
    exists = (yield from reliably(patience, ("EXISTS", keys.events)))[0]
    if not exists:
        return None
    groups = (yield from reliably(patience, ("XINFO", "GROUPS", keys.events)))[0]
    told = [dict(zip(group[::2], group[1::2], strict=True)) for group in groups]
    commands: list[Command] = [("XPENDING", keys.events, group[b"name"]) for group in told]
    if not commands:
        return b"-"
    pending = yield from reliably(patience, *commands)
    starts: list[bytes] = [b"(" + group[b"last-delivered-id"] for group in told]
    starts += [summary[1] for summary in pending if summary[0]]
    return min(starts, key=_position)


def _position(start: bytes) -> tuple[int, int, int]:
    first, _, second = start.lstrip(b"(").partition(b"-")
    return int(first), int(second or 0), int(start.startswith(b"("))


def _makes(run: str, fields: dict[bytes, Any], functions: Iterable[str]) -> bool:
    try:
        key = event_key(fields[b"n"].decode(), fields[b"i"].decode())
    except (KeyError, UnicodeDecodeError):
        return False
    direct = fields.get(b"f")
    if direct is not None:
        functions = [direct.decode("utf-8", "replace")]
    return any(run_id(function, key) == run for function in functions)


def _delayed(keys: Keys, patience: Patience, run: str, functions: list[str]) -> Talk[bool]:
    cursor: Any = b"0"
    for _ in range(_DELAYED_PAGES):
        cursor, flat = (yield from reliably(patience, ("ZSCAN", keys("dl"), cursor, "MATCH", "e|*", "COUNT", LOOK_AT)))[
            0
        ]
        waiting = [member[2:].decode() for member in flat[::2]]
        if any(run_id(function, key) == run for key in waiting for function in functions):
            return True
        if cursor == b"0":
            return False
    return True
