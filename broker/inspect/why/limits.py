"""Limiters: what their ids stand for, who holds their slots, and how many runs go first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...conversation import Command, Talk, reliably
from ...explanation import Hold, Holder, HoldReason
from ...limiter_ids import own_limiter, shared_limiter
from ...model import RunState
from ...run_info import moment
from ..apps import AppInfo, read_apps
from ..payloads import read_events_of_runs
from .facts import Asking, Facts

HOLDERS = 20  # runs named per limit
_BACKLOGS = 100  # looked into to tell how many runs go first
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a limiter's id stands for."""

    text: str  # "the limit of shop/pack per event.data.customer"
    name: str  # its name, or the function's key
    key: str | None  # path of its key


def meanings(apps: Iterable[AppInfo]) -> dict[str, Meaning]:
    """Limiter id -> meaning, for all that registered functions define."""
    found: dict[str, Meaning] = {}
    for app in apps:
        for name, definition in app.registry.definitions.items():
            function = f"{app.id}/{name}"
            for limit in definition.get("concurrency", ()):
                shared, key = limit.get("name"), limit.get("key")
                per = f" per {key}" if key else ""
                if shared is not None:
                    text = f'the shared limit "{shared}"{per}'
                    found[shared_limiter(shared)] = Meaning(text=text, name=shared, key=key)
                else:
                    text = f"the limit of {function}{per}"
                    found[own_limiter(function, key)] = Meaning(text=text, name=function, key=key)
    return found


def explain_parked(asking: Asking, facts: Facts) -> Talk[list[Hold]]:
    """What holds a parked run: the limiter that its backlog waits for, then the others that are full, too."""
    keys, patience = asking.keys, asking.patience
    references = facts["l"].split()
    known = meanings((yield from read_apps(keys, patience)))
    event = (yield from read_events_of_runs(keys, patience, [facts.run_id]))[0]
    commands: list[Command] = [("HGET", keys("bh"), facts["l"]), ("ZRANK", keys(f"bk:{facts['l']}"), facts.run_id)]
    for reference in references:
        commands += [("SCARD", keys(f"lc:{reference}")), ("HGET", keys("lm"), reference.partition(".")[0])]
    holder, rank, *counts = yield from reliably(patience, *commands)
    holding = references[0] if holder is None else holder.decode()
    holds: list[Hold] = []
    for place, reference in enumerate(references):
        taken, limit = counts[2 * place], int(counts[2 * place + 1] or 0)
        if reference != holding and (not limit or taken < limit):
            continue
        ahead = (yield from _ahead(asking, facts, reference, rank or 0)) if reference == holding else None
        meaning = known.get(reference.partition(".")[0])
        value = _value(event, None if meaning is None else meaning.key)
        hold = Hold(
            reason=HoldReason.CONCURRENCY,
            text=_sentence(meaning, value, taken, limit, ahead, first=reference == holding),
            name="" if meaning is None else meaning.name,
            ahead=ahead,
            taken=taken,
            limit=limit or None,
            holders=(yield from read_holders(asking, reference)),
        )
        holds.insert(0 if reference == holding else len(holds), hold)
    return holds


def read_holders(asking: Asking, reference: str) -> Talk[tuple[Holder, ...]]:
    """Runs that hold a slot, at most 20, those that started first leading."""
    (reply,) = yield from reliably(asking.patience, ("SRANDMEMBER", asking.keys(f"lc:{reference}"), HOLDERS))
    return (yield from describe_runs(asking, [run.decode() for run in reply]))


def describe_runs(asking: Asking, runs: Sequence[str]) -> Talk[tuple[Holder, ...]]:
    """Runs as holders; those that are gone are left out."""
    if not runs:
        return ()
    commands: list[Command] = [("HMGET", asking.keys.run(run), "f", "s", "b") for run in runs]
    records = yield from reliably(asking.patience, *commands)
    found = [
        Holder(run_id=run, function=key.decode(), state=RunState.from_letter(state), started=moment(started))
        for run, (key, state, started) in zip(runs, records, strict=True)
        if key is not None and state is not None
    ]
    return tuple(sorted(found, key=lambda each: (each.started is None, each.started, each.run_id)))


def _ahead(asking: Asking, facts: Facts, reference: str, rank: int) -> Talk[int]:
    """How many parked runs the limiter lets in before this one: in its own backlog, and older ones in others."""
    keys = asking.keys
    (held,) = yield from reliably(asking.patience, ("ZRANGE", keys(f"lb:{reference}"), 0, _BACKLOGS - 1))
    others: list[Command] = [
        ("ZCOUNT", keys(f"bk:{backlog.decode()}"), "-inf", f"({facts['sc']}")
        for backlog in held
        if backlog.decode() != facts["l"]
    ]
    return rank + (sum((yield from reliably(asking.patience, *others))) if others else 0)


def _sentence(meaning: Meaning | None, value: str, taken: int, limit: int, ahead: int | None, *, first: bool) -> str:
    what = "a concurrency limit" if meaning is None else meaning.text
    of = f" ({value})" if value else ""
    slots = f": {taken:,} of {limit:,} slots are taken" if limit else ""
    then = "" if ahead is None else f"; {ahead:,} runs go first"
    return f"{what}{of} {'holds it' if first else 'is full, too'}{slots}{then}"


def _value(event: Mapping[str, Any], key: str | None) -> str:
    """What the event has at the limit's key, for people to read; "" if it can't be told simply."""
    if key is None or "[" in key:
        return ""
    found: Any = event
    for part in key.split(".")[1:]:
        if not isinstance(found, Mapping) or part not in found:
            return "missing"
        found = found[part]
    text = repr(found)
    return text if len(text) <= 60 else text[:59] + "…"
