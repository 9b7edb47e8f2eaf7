"""Dead letters: what failed for good, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import msgpack

from ..conversation import Talk, reliably
from ..errors import DeadLetterNotFound
from ..keys import Keys
from ..patience import Patience
from ..run_info import ErrorInfo, moment
from ..validation import page_size
from .runs import read_runs

LOOK_AT = 100_000  # entries that one question looks at
PAGE = 500  # entries per exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A run that failed for good, or an event that can't be ingested."""

    id: str
    kind: Literal["run", "event"]
    run_id: str | None  # of a run
    function: str | None  # key of the run's function; of an event: the app that could not ingest it
    event_id: str
    event_name: str
    error: ErrorInfo
    time: datetime | None  # when it was given up
    reason: str = ""  # error, died, timeout ...
    attempts: int = 1
    fingerprint: str = ""  # equal for failures of one kind from one place
    stream_id: str | None = None  # of an event
    fields: Mapping[bytes, bytes] | None = None  # the raw entry of an event


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which dead letters are meant.

    Attributes:
        function: key of the function.
        error: part of the error's type or message.
        older_than: seconds since they were given up.
        newer_than: the same, the other way round.
        fingerprint: of the error: equal for failures of one kind from one place.
    """

    function: str | None = None
    error: str | None = None
    older_than: float | None = None
    newer_than: float | None = None
    fingerprint: str | None = None

    def accepts(self, letter: DeadLetter) -> bool:
        """Whether a dead letter passes; age is looked at elsewhere."""
        if self.function is not None and letter.function != self.function:
            return False
        if self.fingerprint is not None and letter.fingerprint != self.fingerprint:
            return False
        return self.error is None or self.error in f"{letter.error.type}: {letter.error.message}"


def list_dead_letters(
    keys: Keys, patience: Patience, which: Filter, *, limit: int = 100, before: str | None = None
) -> Talk[list[DeadLetter]]:
    """A page of dead letters, the newest first; their errors without tracebacks.

    Args:
        keys: the namespace's keys.
        patience: how long to wait for the server.
        which: those that are meant.
        limit: length of the page, at most 1,000.
        before: id of the last one of the page before.
    """
    found: list[DeadLetter] = []
    limit = page_size(limit)
    for _ in range(LOOK_AT // PAGE):
        page, before = yield from scan_dead_letters(keys, patience, which, before)
        found += page
        if len(found) >= limit or before is None:
            break
    return (yield from _with_events(keys, patience, found[:limit]))


def scan_dead_letters(
    keys: Keys, patience: Patience, which: Filter, before: str | None
) -> Talk[tuple[list[DeadLetter], str | None]]:
    """Dead letters among the next entries, with nothing read of their runs; and where to go on, None at the end."""
    now = (yield from reliably(patience, ("TIME",)))[0]
    now_ms = int(now[0]) * 1000 + int(now[1]) // 1000
    end = "+" if before is None else f"({before}"
    if which.older_than is not None:
        latest = now_ms - int(which.older_than * 1000)
        if before is None or latest < int(before.partition("-")[0]):
            end = str(max(latest, 0))
    start = "-" if which.newer_than is None else str(max(now_ms - int(which.newer_than * 1000), 0))
    page = (yield from reliably(patience, ("XREVRANGE", keys("dq"), end, start, "COUNT", PAGE)))[0]
    found = [letter for letter in _letters(page) if which.accepts(letter)]
    return found, page[-1][0].decode() if len(page) == PAGE else None


def get_dead_letter(keys: Keys, patience: Patience, id: str) -> Talk[DeadLetter]:
    """One dead letter with its whole error. Raises DeadLetterNotFound."""
    first, _, second = id.partition("-")
    page: list[Any] = []
    if first.isdigit() and (second.isdigit() or not second):
        page = (yield from reliably(patience, ("XRANGE", keys("dq"), id, id)))[0]
    found = list(_letters(page))
    if not found:
        raise DeadLetterNotFound(f"There is no dead letter {id!r}.")
    return (yield from _with_events(keys, patience, found))[0]


def _with_events(keys: Keys, patience: Patience, letters: list[DeadLetter]) -> Talk[list[DeadLetter]]:
    """Add what the runs know: their events, and their errors in full."""
    ids = [letter.run_id for letter in letters if letter.run_id is not None]
    stored = yield from read_runs(keys, patience, ids)
    runs = {run.id: run for run in stored if run is not None}
    complete: list[DeadLetter] = []
    for letter in letters:
        run = runs.get(letter.run_id or "")
        if run is not None:
            letter = replace(letter, event_id=run.event_id, event_name=run.event_name, error=run.error or letter.error)
        complete.append(letter)
    return complete


def _letters(page: list[Any]) -> Iterator[DeadLetter]:
    for letter, flat in page:
        fields = dict(zip(flat[::2], flat[1::2], strict=False))
        event = fields.get(b"k") == b"event"
        raw = _raw_event(fields) if event else None
        yield DeadLetter(
            id=letter.decode(),
            kind="event" if event else "run",
            run_id=None if event else _text(fields.get(b"r")),
            function=_text(fields.get(b"f")) or None,
            event_id=_text((raw or {}).get(b"i")),
            event_name=_text((raw or {}).get(b"n")),
            error=ErrorInfo(
                type=_text(fields.get(b"y")) or "Error",
                message=_text(fields.get(b"m")),
                attempt=int(fields.get(b"a") or 1),
            ),
            time=moment(letter.partition(b"-")[0]),
            reason=_text(fields.get(b"s")),
            attempts=int(fields.get(b"a") or 1),
            fingerprint=_text(fields.get(b"p")),
            stream_id=_text(fields.get(b"r")) if event else None,
            fields=raw,
        )


def _raw_event(fields: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    try:
        flat = msgpack.unpackb(fields.get(b"d", b"\x90"), raw=True)
    except ValueError:
        return {}
    return dict(zip(flat[::2], flat[1::2], strict=False))


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")
