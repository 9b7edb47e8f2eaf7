"""Dead letters by what they have in common: function, type of error, and the place in the user's code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..conversation import Talk
from ..errors import DeadLetterNotFound
from ..keys import Keys
from ..patience import Patience
from .apps import read_apps
from .dead_letters import LOOK_AT, PAGE, DeadLetter, Filter, get_dead_letter, scan_dead_letters
from .payloads import read_events_of_runs

_SAMPLE = 100  # runs of a group whose data is looked at
_SAMPLED_GROUPS = 50
_VALUES = 5  # told per key
_FIELDS = 3  # told of a group whose function has no keys


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedKey:
    """What the failed runs have in common at one place of their events."""

    path: str  # "event.data.customer_id", or "event.key"
    values: tuple[tuple[Any, int], ...]  # the most frequent, each with how many of the runs looked at have it
    looked_at: int  # runs


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterGroup:
    """Dead letters of one function that failed of one type of error in one place."""

    fingerprint: str
    function: str | None  # key; of events: the app that could not ingest them
    error_type: str
    message: str  # of the newest
    place: str  # innermost frame of the user's own code, "shop.jobs:charge_card"; "" if it is not known
    count: int
    first: datetime | None
    last: datetime | None
    newest: str  # id of the newest dead letter
    keys: tuple[AffectedKey, ...] = ()


@dataclass(slots=True)
class _Gathered:
    newest: DeadLetter
    oldest: DeadLetter
    count: int = 0
    runs: list[str] = field(default_factory=list)


def group_dead_letters(keys: Keys, patience: Callable[[], Patience], which: Filter) -> Talk[list[DeadLetterGroup]]:
    """The groups of the newest 100,000 dead letters, the largest first."""
    gathered: dict[tuple[str | None, str, str], _Gathered] = {}
    before: str | None = None
    for _ in range(LOOK_AT // PAGE):
        page, before = yield from scan_dead_letters(keys, patience(), which, before)
        for letter in page:
            # Failures from before fingerprints knew the place have none: the type alone tells them apart.
            group = gathered.setdefault(
                (letter.function, letter.fingerprint, letter.error.type), _Gathered(letter, letter)
            )
            group.oldest = letter
            group.count += 1
            if letter.run_id is not None and len(group.runs) < _SAMPLE:
                group.runs.append(letter.run_id)
        if before is None:
            break
    paths = yield from _paths(keys, patience())
    found: list[DeadLetterGroup] = []
    for each in sorted(gathered.values(), key=lambda one: -one.count):
        told: tuple[AffectedKey, ...] = ()
        if len(found) < _SAMPLED_GROUPS:
            events = yield from read_events_of_runs(keys, patience(), each.runs)
            told = affected(events, paths.get(each.newest.function or "", ()))
        found.append((yield from _told(keys, patience(), each, told)))
    return found


def affected(events: Sequence[Mapping[str, Any]], paths: Sequence[str]) -> tuple[AffectedKey, ...]:
    """What events have in common: at the keys of their function, else at those fields of their data that repeat."""
    if not events:
        return ()
    found = [_counted(events, path) for path in ("event.key", *paths)]
    told = tuple(each for each in found if each.values and each.values[0][0] is not None)
    if told:
        return told
    names = {name for event in events if isinstance(event["data"], Mapping) for name in event["data"]}
    fields = [_counted(events, f"event.data.{name}") for name in sorted(map(str, names))]
    repeating = [each for each in fields if each.values and each.values[0][1] > 1]
    return tuple(sorted(repeating, key=lambda each: -each.values[0][1])[:_FIELDS])


def _counted(events: Sequence[Mapping[str, Any]], path: str) -> AffectedKey:
    values = Counter(value for event in events if _is_plain(value := _at(event, path)))
    return AffectedKey(path=path, values=tuple(values.most_common(_VALUES)), looked_at=len(events))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _at(event: Mapping[str, Any], path: str) -> Any:
    value: Any = event
    for part in path.split(".")[1:]:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _paths(keys: Keys, patience: Patience) -> Talk[dict[str, list[str]]]:
    """Function key -> paths of the keys of its limits."""
    apps = yield from read_apps(keys, patience)
    return {
        f"{app.id}/{name}": list(dict.fromkeys(str(limit["key"]) for limit in limits if limit.get("key")))
        for app in apps
        for name, definition in app.registry.definitions.items()
        if (limits := definition.get("concurrency", ()))
    }


def _told(
    keys: Keys, patience: Patience, group: _Gathered, affected_keys: tuple[AffectedKey, ...]
) -> Talk[DeadLetterGroup]:
    newest = group.newest
    try:
        place = (yield from get_dead_letter(keys, patience, newest.id)).error.place
    except DeadLetterNotFound:
        place = ""  # it was run again meanwhile
    return DeadLetterGroup(
        fingerprint=newest.fingerprint,
        function=newest.function,
        error_type=newest.error.type,
        message=newest.error.message,
        place=place,
        count=group.count,
        first=group.oldest.time,
        last=newest.time,
        newest=newest.id,
        keys=affected_keys,
    )
