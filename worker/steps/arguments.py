"""What users pass to the verbs, checked and turned into plain data: the same for `async def` and `def` functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from ...broker import validation
from ...broker.defaults import MAX_ID_LENGTH
from ...broker.durations import Duration, Moment, seconds, unix_time
from ...define.event import EventModel, name_of
from ...define.filters import compile_filter
from ...define.paths import compile_path
from ...define.policies import Backoff, check_retries
from ...define.values import MISSING, value_hash
from ..errors import StepMisuse
from .options import StepOptions

if TYPE_CHECKING:
    from ..ports import LoadedFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWait:
    """A checked `wait_for_event`."""

    name: str
    path: str  # of the value that has to be the same; "": any event of the name
    value_hash: str
    filter: str
    timeout: float  # seconds
    model: type[EventModel] | None


def event_wait(
    event: str | type[EventModel],
    match: str | None,
    filter: str | None,
    timeout: Duration,
    own: Callable[[], Mapping[str, Any]],
) -> EventWait:
    """Check what `wait_for_event` was given; `own` gives the event that the run is for.

    Raises:
        DefinitionError: the path or the filter can't be read.
        StepMisuse: this run's own event lacks the path, so that nothing could ever match.
    """
    model = event if isinstance(event, type) else None
    name = validation.event_name(event if model is None else name_of(model))
    path = value = ""
    if match is not None:
        compiled = compile_path(match)
        found = compiled.get(own())
        if found is MISSING:
            raise StepMisuse(
                f"match={match!r}: the event of this run has nothing there, so no event could match.",
                remedy="Name a path that is in both events.",
            )
        path, value = compiled.text, value_hash(found)
    if filter is not None:
        compile_filter(filter)
    return EventWait(
        name=name,
        path=path,
        value_hash=value,
        filter=filter or "",
        timeout=seconds(timeout, what="timeout="),
        model=model,
    )


def signal_name(name: object) -> str:
    """A signal's name, if it can be one."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID_LENGTH or not name.isprintable():
        raise StepMisuse(
            f"{name!r} can't be the name of a signal.", remedy=f"Use 1 to {MAX_ID_LENGTH} characters of text."
        )
    return name


def at_unix_time(value: Moment) -> float:
    """A moment as Unix time in seconds."""
    return unix_time(value, what="the moment to sleep until")


def length(value: Duration, what: str) -> float:
    """A duration in seconds."""
    return seconds(value, what=what)


def step_event_id(run: str, key: str) -> str:
    """The id of an event that a step sends: the same on every try."""
    whole = f"{run}:{key}"
    if len(whole) <= MAX_ID_LENGTH:
        return whole
    return f"{run}:{sha1(key.encode(), usedforsecurity=False).hexdigest()}"


def options_of(function: LoadedFunction) -> StepOptions:
    """The options of a step about which nothing was said: the function's own."""
    return StepOptions(retries=function.retries, backoff=function.backoff)


def changed(
    options: StepOptions, retries: int | None, timeout: Duration | None, backoff: Backoff | Duration | None
) -> StepOptions:
    """Options with some replaced.

    Raises:
        DefinitionError: one makes no sense.
    """
    longest = options.timeout
    if timeout is not None:
        longest = seconds(timeout, what="timeout=")
        if longest == 0:
            raise StepMisuse("timeout= is 0.", remedy="Give the longest time of one attempt, or leave it out.")
    return StepOptions(
        retries=options.retries if retries is None else check_retries(retries),
        timeout=longest,
        backoff=options.backoff if backoff is None else Backoff.of(backoff),
    )


def bound(fn: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Any]:
    """A body without arguments.

    Raises:
        StepMisuse: `fn` is not callable: most often a coroutine, made by calling the function too early.
    """
    if not callable(fn):
        close = getattr(fn, "close", None)
        if close is not None and type(fn).__name__ == "coroutine":
            close()
        raise StepMisuse(
            f"The body of a step is {type(fn).__name__}, which can't be called.",
            remedy='Pass the function and its arguments apart: `ctx.step.run("charge", charge_card, amount)`.',
        )
    return functools.partial(fn, *args, **kwargs) if args or kwargs else fn
