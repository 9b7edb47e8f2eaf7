"""What holds a parked run: a pause, or the limiter that its backlog waits for; then the others that are full, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack

from ...conversation import Command, Talk, reliably
from ...explanation import Hold, HoldReason
from ...run_info import moment
from ..apps import read_apps
from ..payloads import read_events_of_runs
from .facts import Asking, Facts
from .limits import Limit, describe_runs, meanings, read_holders, read_limits

_BACKLOGS = 100  # looked into to tell how many runs go first


def is_parked(facts: Facts) -> bool:
    """Whether something holds a queued run back from its queue."""
    return bool(facts["pg"] or (facts["l"] and facts["h"] != "1"))


def explain_parked(asking: Asking, facts: Facts) -> Talk[list[Hold]]:
    """What holds it, the deciding thing first."""
    if facts["pg"].startswith("s"):
        return [(yield from _busy(asking, facts))]
    if facts["pg"]:
        return [(yield from _paused(asking, facts))]
    backlog = _missing(facts)
    references = [token.rstrip("+") for token in backlog.split()]
    known = meanings((yield from read_apps(asking.keys, asking.patience)))
    event = (yield from read_events_of_runs(asking.keys, asking.patience, [facts.run_id]))[0]
    holder, rank = yield from reliably(
        asking.patience,
        ("HGET", asking.keys("bh"), backlog),
        ("ZRANK", asking.keys(f"bk:{backlog}"), facts.run_id),
    )
    holding = references[0] if holder is None else holder.decode()
    holds: list[Hold] = []
    for limit in (yield from read_limits(asking, references)):
        first = limit.reference == holding
        if not first and limit.room > 0:
            continue
        ahead = (yield from _ahead(asking, facts, backlog, holding, rank or 0)) if first else None
        meaning = known.get(limit.definition)
        value = _value(event, None if meaning is None else meaning.key)
        hold = Hold(
            reason=_reason(limit),
            text=_sentence(limit, "" if meaning is None else meaning.text, value, ahead),
            name="" if meaning is None else meaning.name,
            ahead=ahead,
            taken=limit.taken,
            limit=limit.slots,
            holders=(yield from read_holders(asking, limit.reference)),
            due=None if ahead is None else limit.admits(ahead, asking.now_ms),
        )
        holds.insert(0 if first else len(holds), hold)
    return holds


def _reason(limit: Limit) -> HoldReason:
    if limit.throttles:
        return HoldReason.THROTTLE
    return HoldReason.FAIRNESS if limit.reference.endswith("%") else HoldReason.CONCURRENCY


def _missing(facts: Facts) -> str:
    """The part of its limiters that the run still needs: a throttle only once, and not again what it kept."""
    tokens = [token for token in facts["l"].split() if not token.endswith("=")]
    if facts["b"]:
        tokens = [token for token in tokens if not token.endswith("~")]
    if facts["h"] == "2":
        tokens = [token for token in tokens if not token.endswith("+")]
    return " ".join(tokens)


def _paused(asking: Asking, facts: Facts) -> Talk[Hold]:
    code = facts["pg"]
    field = {
        "f": f"f|{facts['f']}",
        "q": f"q|{':'.join(facts['q'].split(':')[:2])}",
        "k": f"k|{facts['f']}|{code[1:]}",
    }[code[0]]
    stored, rank = yield from reliably(
        asking.patience,
        ("HGET", asking.keys("pz"), field),
        ("ZRANK", asking.keys(f"bk:!{field}"), facts.run_id),
    )
    ahead = rank or 0
    if stored is None:
        return Hold(reason=HoldReason.PAUSED, text="what paused it was resumed", ahead=ahead)
    since, actor, what, reason = (part.decode("utf-8", "replace") for part in msgpack.unpackb(stored[1:], raw=True))
    if stored.startswith(b"o"):
        text = f"{what} was resumed; {ahead:,} runs go first"
        return Hold(reason=HoldReason.PAUSED, text=text, name=what, ahead=ahead)
    because = f" ({reason})" if reason else ""
    when = moment(since.encode())
    text = f"{what} is paused by {actor}{because} since {when:%Y-%m-%d %H:%M:%S} UTC; {ahead:,} runs go first"
    return Hold(reason=HoldReason.PAUSED, text=text, name=what, ahead=ahead)


def _busy(asking: Asking, facts: Facts) -> Talk[Hold]:
    """The run that owns its singleton."""
    singleton = facts["pg"][1:]
    owner, rank = yield from reliably(
        asking.patience,
        ("GET", asking.keys(f"sg:{singleton}")),
        ("ZRANK", asking.keys(f"bk:!s|{singleton}"), facts.run_id),
    )
    holders = () if owner is None else (yield from describe_runs(asking, [owner.decode()]))
    who = f"run {holders[0].run_id}" if holders else "another run"
    return Hold(
        reason=HoldReason.SINGLETON,
        text=f"{who} of {facts['f']} is under way, and one runs at a time; {rank or 0:,} runs go first",
        name=facts["f"],
        ahead=rank or 0,
        holders=holders,
    )


def _ahead(asking: Asking, facts: Facts, backlog: str, reference: str, rank: int) -> Talk[int]:
    """How many parked runs the limiter lets in before this one: in its own backlog, and older ones in others."""
    keys = asking.keys
    (held,) = yield from reliably(asking.patience, ("ZRANGE", keys(f"lb:{reference}"), 0, _BACKLOGS - 1))
    others: list[Command] = [
        ("ZCOUNT", keys(f"bk:{each.decode()}"), "-inf", f"({facts['sc']}") for each in held if each.decode() != backlog
    ]
    return rank + (sum((yield from reliably(asking.patience, *others))) if others else 0)


def _sentence(limit: Limit, meaning: str, value: str, ahead: int | None) -> str:
    what = meaning or ("a throttle" if limit.throttles else "a concurrency limit")
    of = f" ({value})" if value else ""
    holds = "holds it" if ahead is not None else "is full, too"
    then = "" if ahead is None else f"; {ahead:,} runs go first"
    return f"{what}{of} {holds}{limit.state}{then}"


def _value(event: Mapping[str, Any], key: str | None) -> str:
    """What the event has at the limit's key, for people to read; "" if it can't be told simply."""
    if not key or "[" in key:
        return ""
    found: Any = event
    for part in key.split(".")[1:]:
        if not isinstance(found, Mapping) or part not in found:
            return "missing"
        found = found[part]
    text = repr(found)
    return text if len(text) <= 60 else text[:59] + "…"
