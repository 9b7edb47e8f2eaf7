"""Ingest: stream entries, with the matches a worker computed, become runs."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..model import IngestEvent, IngestReply, Match
from .call import Call, dropped_runs, pack, text


def ingest(
    *,
    app: str,
    incarnation: str,
    seq: int = 0,
    capacity: int = 0,
    inline_max: int = 0,
    star: str,
    versions: Mapping[str, tuple[str, str]],
    own_queue: frozenset[str] = frozenset(),
    queues: Collection[str] = (),
    events: Sequence[IngestEvent],
) -> Call[IngestReply]:
    """Ingest a batch.

    `star` is the registry's version of wildcard triggers, `versions` gives per event name the registry's and the waits'
    version that the matches were made with (R8); `own_queue` are the function keys that this worker lacks, whose runs
    go to the function's own queue (R16). `capacity` > 0 asks to lease new runs of `queues`, those that this
    worker reads, at once.
    """
    names = {name: index for index, name in enumerate(dict.fromkeys(event.name for event in events), 1)}
    functions: dict[tuple[str, str, int, str], int] = {}
    table: list[list[Any]] = []

    def function(match: Match, kind: str = "") -> int:
        key = (match.function, match.queue, match.priority_ms, kind)
        index = functions.get(key)
        if index is None:
            index = functions[key] = len(functions) + 1
            own = match.function in own_queue
            queue = f"{match.queue}:{match.function.partition('/')[2]}" if own else match.queue
            table.append([match.function, queue, match.priority_ms, 1 if own else 0, kind, 1 if queue in queues else 0])
        return index

    groups: dict[tuple[str, str, str], _Group] = {}
    seen: set[str] = set()
    others: list[int] = []
    for place, event in enumerate(events):
        match = event.plain
        if match is None or event.key in seen or match.function in own_queue:
            seen.add(event.key)
            others.append(place)
            continue
        seen.add(event.key)
        claim = event.id[:7] if event.generated else ""
        common = (event.name, match.function, claim)
        group = groups.get(common)
        if group is None:
            group = groups[common] = _Group(names[event.name], function(match), claim)
        group.add(place, event, match.run)
    packed = []
    for place in others:
        event = events[place]
        portion, until = event.portion()
        kind = "invoke" if event.name == "bgjobs/invoke" else ""
        matches: list[Any] = []
        policies: dict[int, Any] = {}
        for match in portion:
            matches += (function(match, kind), match.run, match.limiters)
            if match.policies:
                policies[len(matches) // 3] = match.policies
        row = [
            event.stream_id,
            names[event.name],
            event.id,
            event.key,
            event.id[:7] if event.generated else "",
            str(event.score),
            event.data,
            matches,
        ]
        seldom = event.buckets or event.cancels or event.due_ms or event.bad or event.partition or event.reached
        if seldom or until or policies:
            row.append(_seldom(event, until, policies))
        packed.append(row)
    argument = pack(
        {
            "app": app,
            "w": incarnation,
            "seq": seq,
            "cap": capacity,
            "inline_max": inline_max,
            "star": star,
            "names": [[name, *versions[name]] for name in names],
            "functions": table,
            "plain": [group.columns(inline_max) for group in groups.values()],
            "events": packed,
        }
    )
    return Call("ingest", argument, lambda reply: _read(reply, [group.places for group in groups.values()], others))


class _Group:
    """Plain events with the same name and function: one list per value, as the script's commands need them."""

    __slots__ = ("_claim", "_data", "_function", "_ids", "_keys", "_name", "_runs", "_scores", "_stream_ids", "places")

    def __init__(self, name: int, function: int, claim: str) -> None:
        self._name, self._function, self._claim = name, function, claim
        self.places: list[int] = []  # indexes among the call's events
        self._stream_ids: list[str] = []
        self._ids: list[str] = []
        self._keys: list[str] = []
        self._runs: list[str] = []
        self._scores: list[str] = []
        self._data: list[bytes] = []

    def add(self, place: int, event: IngestEvent, run: str) -> None:
        self.places.append(place)
        self._stream_ids.append(event.stream_id)
        self._ids.append(event.id)
        self._keys.append(event.key)
        self._runs.append(run)
        self._scores.append(str(event.score))
        self._data.append(event.data)

    def columns(self, inline_max: int) -> list[Any]:
        bare = self._claim and max(map(len, self._data)) <= inline_max
        keys = [] if bare else self._keys
        common = [self._name, self._function, self._claim]
        return [*common, self._stream_ids, self._ids, keys, self._runs, self._scores, self._data]


def _seldom(event: IngestEvent, until: str, policies: Mapping[int, Any]) -> dict[str, Any]:
    """What few events have: left out of the others, for unpacking costs the server a microsecond per five values."""
    return {
        "buckets": event.buckets,
        "envelope": event.envelope,
        "verdicts": event.residual or {},
        "due": event.due_ms,
        "fields": event.fields,
        "bad": event.bad,
        "lost": [event.lost, event.target] if event.lost else (),
        "partition": event.partition,
        "reached": event.reached,
        "till": until,
        "policies": policies,
        "cancels": event.cancels,
    }


def _read(reply: list[Any], groups: Sequence[Sequence[int]], others: Sequence[int]) -> IngestReply:
    stale, granted, candidates, facts, unfinished, plain, g, *dropped = reply
    order = [*itertools.chain(*groups), *others]  # indexes among the call's events, as the script counts them
    leased = [(place, 0, g) for places, count in zip(groups, plain, strict=False) for place in places[:count]]
    leased += [
        (order[int(e)], int(m), each) for e, m, each in zip(granted[::3], granted[1::3], granted[2::3], strict=True)
    ]
    return IngestReply(
        leased=tuple(leased),
        stale=tuple(order[int(index)] for index in stale),
        duplicates=int(facts[1]),
        candidates=tuple(
            (order[int(index)], text(member), text(expression))
            for index, member, expression in zip(candidates[::3], candidates[1::3], candidates[2::3], strict=True)
        ),
        unfinished=tuple(
            (order[int(index)], text(reached)) for index, reached in zip(unfinished[::2], unfinished[1::2], strict=True)
        ),
        created=int(facts[2]),
        dropped=dropped_runs(dropped[0]) if dropped else (),
        refused=facts[3] != b"0",
        gone=facts[3] == b"gone",
        more=facts[4] == b"1",
        now_ms=int(facts[0]),
    )
