"""Pauses: of a function, of a queue, of one key of a function (R36)."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .conversation import Talk, reliably
from .errors import FunctionNotFound, NotFound, UsageError
from .event import FunctionRef
from .inspect.apps import read_apps
from .inspect.registry import parse_registry
from .limiter_ids import fairness_limiter, own_limiter, shared_limiter, singleton_limiter, throttle_limiter, value_part
from .requests import Requests
from .transitions import pause as pause_call
from .transitions import resume as resume_call

#: Stands for a value that was not given: None is one that events may have.
NO_VALUE: Final = object()
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be paused or resumed: its field in the table of pauses, and its name for people."""

    field: str
    what: str


def this_actor() -> str:
    """Who acts, for the audit log: user@host of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def check_reason(reason: str) -> None:
    """Whether a reason can be kept. Raises UsageError."""
    if len(reason) > _LONGEST_REASON:
        raise UsageError(f"The reason has {len(reason)} characters.", remedy=f"At most {_LONGEST_REASON} are kept.")


def switch(requests: Requests, target: Target, *, pause: bool, actor: str | None, reason: str) -> Talk[bool]:
    """Pause or resume; answers whether that changed anything."""
    check_reason(reason)
    call = pause_call if pause else resume_call
    return requests.do(call(target.field, actor=actor or this_actor(), what=target.what, reason=reason))


def of_function(requests: Requests, function: FunctionRef, key: str | None, value: Any) -> Talk[Target]:
    """A function as a target, or one value of one of its keys.

    Raises:
        FunctionNotFound: it is not registered.
        UsageError: none of its limits has that key, or it is not said which of several is meant.
    """
    name = requests.function_key(function)
    app, _, own = name.partition("/")
    fields = (yield from reliably(requests.patience(), ("HGETALL", requests.keys(f"fn:{app}"))))[0]
    registry = parse_registry({}, dict(zip(fields[::2], fields[1::2], strict=True)))
    definition = registry.definitions.get(own)
    if definition is None and own not in registry.retired:
        raise FunctionNotFound(f"No function {name!r} is registered in the namespace {requests.namespace!r}.")
    if value is NO_VALUE:
        if key is not None:
            raise UsageError("The key to pause has no value.", remedy="Give value=, as in the events' data.")
        return Target(f"f|{name}", f"function {name}")
    path, reference = _keyed(name, definition or {}, key)
    return Target(f"k|{name}|{reference.format(value=value_part(value))}", f"{name} where {path} is {value!r}")


def of_queue(requests: Requests, queue: str, app: str | None) -> Talk[Target]:
    """A queue as a target.

    Raises:
        NotFound: no function of the app is in it.
        UsageError: its app is unknown.
    """
    owner, colon, name = queue.rpartition(":")
    owner = owner if colon else app or requests.app or ""
    if not owner:
        raise UsageError(f"The app of the queue {queue!r} is unknown.", remedy="Write it as `<app>:<queue>`.")
    for found in (yield from read_apps(requests.keys, requests.patience())):
        queues = {str(each.get("queue", "default")) for each in found.registry.definitions.values()}
        if found.id == owner and name in queues:
            return Target(f"q|{owner}:{name}", f"queue {owner}:{name}")
    raise NotFound(f"No function of the app {owner!r} is in a queue {name!r}.", remedy="See `bgjobs functions list`.")


def _keyed(function: str, definition: Mapping[str, Any], key: str | None) -> tuple[str, str]:
    """The key expression that is meant, and the reference of the limiter that has it, but for the value."""
    keyed = dict(reversed(list(_keys_of(function, definition))))
    if not keyed:
        raise UsageError(
            f"{function} has no key by which its runs could be told apart.",
            remedy='Give it a limit with a key: concurrency=bgjobs.Concurrency(100, key="event.data.customer").',
        )
    if key is None:
        if len(keyed) > 1:
            raise UsageError(f"{function} has several keys.", remedy=f"Say which: {', '.join(keyed)}.")
        return next(iter(keyed.items()))
    wanted = key if key.startswith("event.") else f"event.{key}"
    if wanted not in keyed:
        raise UsageError(f"{function} has no key {key!r}.", remedy=f"It has {', '.join(keyed)}.")
    return wanted, keyed[wanted]


def _keys_of(function: str, definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for limit in definition.get("concurrency", ()):
        if limit.get("key"):
            name = limit.get("name")
            owner = shared_limiter(name) if name else own_limiter(function, limit["key"])
            yield limit["key"], owner + ".{value}"
    throttle = definition.get("throttle") or {}
    if throttle.get("key"):
        yield throttle["key"], throttle_limiter(function, throttle["key"]) + ".{value}~"
    fairness = definition.get("fairness") or {}
    if fairness.get("key"):
        yield fairness["key"], fairness_limiter(function, fairness["key"]) + ".{value}%"
    singleton = definition.get("singleton") or {}
    if singleton.get("key"):
        yield singleton["key"], singleton_limiter(function, singleton["key"]) + ".{value}="
