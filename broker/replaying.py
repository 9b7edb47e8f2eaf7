"""Running again what has ended: a run from its failed step or from its start, a dead letter, many of them (R44)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import ids
from .codec import decode, encode
from .conversation import Talk, reliably
from .errors import InvalidEvent, NotFound, RunNotFound, Undecodable, UsageError
from .event import FunctionRef
from .inspect.dead_letters import DeadLetter, Filter, get_dead_letter, list_dead_letters
from .inspect.payloads import read_payload
from .inspect.result import find_run
from .requests import Requests
from .transitions import discard, replay

_PAGE = 100


def replay_run(requests: Requests, run: str, *, from_start: bool, token: str | None) -> Talk[str]:
    """Run a finished run again; answers the id of the run that goes on.

    Raises:
        RunNotFound: it is not stored.
        UsageError: it has not failed, or not ended.
    """
    patience = requests.patience()
    info = yield from find_run(requests.keys, patience, run)
    new, limiters = "", ""
    if from_start:
        new = ids.run_id(info.function, f"replay\0{run}\0{token or ids.new_event_id()}", shard=ids.shard_of(run))
        limiters = ((yield from reliably(patience, ("HGET", requests.keys.run(run), "l")))[0] or b"").decode()
    answer, again = yield from requests.do(replay(run, new=new, limiters=limiters), patience)
    if answer in ("OK", "exists") or (answer == "not failed" and patience.ambiguous):
        return again or run  # "not failed" after a lost reply: the first try has set it going
    if answer == "missing":
        raise RunNotFound(f"There is no run {run!r}.")
    if answer == "not failed":
        raise UsageError(
            f"The run {run} is {info.state}; only a failed run goes on from its failed step.",
            remedy="Run a finished run again as a new one, from the start (`--from-start`).",
        )
    raise UsageError(
        f"The run {run} is {info.state}; only a finished run can be run again.", remedy="Cancel it first, or wait."
    )


def retry_letter(requests: Requests, id: str, *, to: FunctionRef | None, data: Mapping[str, Any] | None) -> Talk[str]:
    """Run a dead letter again; answers the id of the run that goes on, or of the event that was sent again.

    As it is, a run goes on from its failed step. With another function or other data it becomes an invocation, whose id
    is the dead letter's: repeating the request starts one run.
    """
    letter = yield from get_dead_letter(requests.keys, requests.patience(), id)
    return (yield from retry(requests, letter, to=to, data=data))


def retry(
    requests: Requests,
    letter: DeadLetter,
    *,
    to: FunctionRef | None = None,
    data: Mapping[str, Any] | None = None,
    from_start: bool = False,
) -> Talk[str]:
    """`retry_letter` of one that was read; `from_start` makes a new run of the same function, and the letter goes."""
    if letter.kind == "event":
        return (yield from _resend(requests, letter, to=to, data=data))
    assert letter.run_id is not None
    if to is None and data is None and from_start:
        token = f"dead-letter:{letter.id}"
        run = yield from replay_run(requests, letter.run_id, from_start=True, token=token)
        yield from requests.do(discard([letter.id]))
        return run
    if to is None and data is None:
        return (yield from replay_run(requests, letter.run_id, from_start=False, token=None))
    function = requests.function_key(to if to is not None else letter.function or "")
    packed = yield from read_payload(requests.keys, requests.patience(), letter.run_id)
    if packed is None:
        raise NotFound(f"The data of the run {letter.run_id} is gone.")
    event, run = requests.invoke(function, _merged(decode(packed), data), id=f"dead-letter:{letter.id}", delay=None)
    yield from requests.start(event)  # raises if nobody would carry it out; then the letter stays
    yield from requests.do(discard([letter.id]))
    return run


def _resend(
    requests: Requests, letter: DeadLetter, *, to: FunctionRef | None, data: Mapping[str, Any] | None
) -> Talk[str]:
    """Send an event that could not be ingested again, perhaps with other data."""
    if to is not None:
        raise UsageError("An event that can't be ingested has no function yet.", remedy="Retry it without another.")
    fields = dict(letter.fields or {})
    if not fields:
        raise InvalidEvent(f"Nothing is kept of the event of the dead letter {letter.id}.")
    if data is not None:
        try:
            before = decode(fields.get(b"d", b"\xc0"))
        except Undecodable:
            before = {}
        fields[b"d"] = encode(_merged(before, data), "data")
    run = _invoked(fields)
    if run:
        yield from reliably(requests.patience(), ("DEL", requests.keys(f"dr:{run}")))  # it is to come after all
    flat = [word for pair in fields.items() for word in pair]
    yield from reliably(requests.patience(), ("XADD", requests.keys.events, "*", *flat))
    yield from requests.do(discard([letter.id]))
    return letter.event_id


def _invoked(fields: Mapping[bytes, bytes]) -> str | None:
    """The run that an entry of the stream makes by its name, if it invokes a function."""
    if b"f" not in fields:
        return None
    name, event_id, function = (fields.get(field, b"").decode("utf-8", "replace") for field in (b"n", b"i", b"f"))
    return ids.run_id(function, ids.event_key(name, event_id))


def purge(requests: Requests, which: Filter) -> Talk[int]:
    """Remove every dead letter that is there now; answers how many."""
    count = 0
    before: str | None = None
    while True:
        page = yield from list_dead_letters(requests.keys, requests.patience(), which, limit=_PAGE, before=before)
        if page:
            count += yield from requests.do(discard([letter.id for letter in page]))
        if len(page) < _PAGE:
            return count
        before = page[-1].id


def _merged(before: Any, data: Mapping[str, Any] | None) -> Any:
    if data is None:
        return before
    if before is None:
        return dict(data)
    if not isinstance(before, dict):
        raise InvalidEvent(
            f"The event's data is of type {type(before).__name__}, which can't be changed by parts.",
            remedy="Send a new event instead.",
        )
    return {**before, **data}
