"""The rules that hold after every step, whatever was done: what is stored against what the model says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.broker.machine.model import ALIVE, Model, Run, definition
from tests.broker.machine.snapshot import Snapshot

LETTERS = {"queued": "q", "running": "r", "waiting": "w", "completed": "c", "failed": "f", "cancelled": "x"}
INDEXES = {"completed": "c", "failed": "f", "cancelled": "x"}


def complaints(model: Model, before: Snapshot, after: Snapshot, now: int, *, single: bool) -> Iterator[str]:
    """All that is wrong; nothing, if every rule is kept. `single`: the step gave back the slots of one run at most."""
    for run in model.runs.values():
        yield from _record(run, after)
        yield from _place(run, model, after)
    yield from _slots(model, before, after)
    yield from _backlogs(after)
    yield from _nothing_waits_in_vain(model, after, now)
    if single:
        yield from _nobody_passes(model, before, after)
    for throttle in model.throttles.values():
        for ref in throttle.starts:
            if found := throttle.too_many(ref):
                yield found
    for erred in after.erred:
        yield f"erred: {erred}"


def _record(run: Run, after: Snapshot) -> Iterator[str]:
    stored = after.runs.get(run.id)
    if stored is None:
        yield f"{run.id} has no record"
        return
    if stored.state != LETTERS[run.state]:
        yield f"{run.id} is {stored.state}, should be {run.state}"
    if run.score is None:
        run.score = stored.score
    elif stored.score != run.score:
        yield f"{run.id} has the score {stored.score}, had {run.score}"
    if run.alive and stored.crashes != run.crashes:
        yield f"{run.id} is charged with {stored.crashes} deaths, should be {run.crashes}"
    if run.alive and stored.started != run.started:
        yield f"{run.id} {'has' if stored.started else 'has not'} a first lease"


def _place(run: Run, model: Model, after: Snapshot) -> Iterator[str]:
    """A run is in exactly one place, which its state and its record name."""
    places = after.places.get(run.id, [])
    stored = after.runs.get(run.id)
    if len(places) != 1 or stored is None:
        yield f"{run.id} ({run.state}) is in {places}"
        return
    (place,) = places
    match run.state:
        case "running":
            wanted = [f"in:{run.worker}"]
        case "waiting":
            wanted = [f"wt:shop/{run.function}"]
        case "queued" if stored.gate:
            gates = [gate for gate in run.gates() if f"bk:!{gate}" == place]
            if not gates or gates[0] not in model.paused:
                yield f"{run.id} is parked in {place}, paused is {model.paused}"
            return
        case "queued":
            ready = f"{'qs' if run.crashes >= 2 else 'q'}:{run.queue}"
            wanted = [ready] if stored.holds == "1" or not run.tokens else [f"bk:{_missing(run)}"]
        case _:
            wanted = [f"done:shop/{run.function}:{INDEXES[run.state]}"]
    if place not in wanted:
        yield f"{run.id} ({run.state}) is in {place}, not in {wanted}"


def _missing(run: Run) -> str:
    return " ".join(token for token in run.tokens if not (run.started and token[-1] in "~+"))


def _slots(model: Model, before: Snapshot, after: Snapshot) -> Iterator[str]:
    """A slot belongs to a run that is ready or running and lists it, or keeps it; never more than the limit."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for run in model.runs.values():
        for ref in run.holds(after.ready(run.id)):
            wanted[ref].add(run.id)
    for ref in wanted.keys() | {ref for ref in after.slots if not ref.startswith("!")}:
        there = after.slots.get(ref, set())
        if there != wanted[ref]:
            yield f"slots of {ref}: {there - wanted[ref]} too many, {wanted[ref] - there} missing"
        # A limit that was lowered takes nothing away.
        throttle = model.throttles.get(definition(ref))
        limit = throttle.burst if throttle is not None else model.limits[definition(ref)]
        if len(there) > max(len(before.slots.get(ref, ())), limit):
            yield f"{len(there)} hold {ref}"


def _backlogs(after: Snapshot) -> Iterator[str]:
    """Each backlog is held by one limiter, which knows the score of its head."""
    known = {name: (ref, score) for ref, names in after.heads.items() for name, score in names.items()}
    for name, inside in after.backlogs.items():
        if not inside:
            yield f"the backlog {name} is empty, and held by {after.held_by[name]}"
        elif known.get(name) != (after.held_by[name], inside[0][1]):
            yield f"{name} is held by {after.held_by[name]}, its head is {inside[0]}, known is {known.get(name)}"
    for name in known.keys() - after.backlogs.keys():
        yield f"the backlog {name} is gone, and still held by {known[name]}"


def _nothing_waits_in_vain(model: Model, after: Snapshot, now: int) -> Iterator[str]:
    """A parked run for which all of its limiters have room, and before which no older one waits, would start."""
    parked = [run for run in model.of("queued") if after.parked(run.id) and not after.runs[run.id].gate]
    for run in parked:
        needs = run.needs()
        if any(model.room(ref, len(after.slots.get(ref, ())), now) < 1 for ref in needs):
            continue
        if not any(_older(other, run) and other.needs() & needs for other in parked):
            yield f"{run.id} is parked behind {after.holder(run.id)}, and all of {needs} have room"


def _older(one: Run, other: Run) -> bool:
    return (one.score or 0, one.id) < (other.score or 0, other.id)


def _nobody_passes(model: Model, before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Whoever is let in passes no older run that the same limiter held before and holds still."""
    stays: dict[str, list[Run]] = defaultdict(list)
    for run in model.of("queued"):
        holder = after.holder(run.id)
        if holder is not None and holder == before.holder(run.id):
            stays[holder].append(run)
    for run in model.runs.values():
        if not (run.state == "running" or after.ready(run.id)) or run.id not in after.runs:
            continue
        old = before.runs.get(run.id)
        if old is not None and (old.state == "r" or before.ready(run.id)):
            continue
        started = old is not None and old.started
        for token in run.tokens:
            if started and token[-1] in "~+":
                continue
            for other in stays[token.removesuffix("+")]:
                if (other.score or 0) < (run.score or 0):
                    yield f"{run.id} passed {other.id}, which {token} holds"


def leased_in_order(model: Model, before: Snapshot, leased: list[str], queues: list[str], room: int) -> Iterator[str]:
    """The oldest of a queue go first, nothing that is paused goes, and as many go as there is room for."""
    ready = [run for run in model.runs.values() if before.ready(run.id) and not model.is_paused(run)]
    for queue in queues:
        inside = [run for run in ready if f"q:{queue}" in before.places[run.id]]
        gone = [before.runs[run.id].score for run in inside if run.id in leased]
        left = [before.runs[run.id].score for run in inside if run.id not in leased]
        if gone and left and max(gone) > min(left):
            yield f"{max(gone)} of {queue} was leased before {min(left)}"
        if left and len(leased) < room:
            yield f"{len(leased)} were leased although there was room for {room} and {len(left)} were ready in {queue}"
    for each in leased:
        run = model.runs[each]
        if model.is_paused(run):
            yield f"{each} is paused and was leased"
        if run.state != "queued":
            yield f"{each} was leased while it was {run.state}"


def alive_places(model: Model, workers: list[str], queues: list[str]) -> list[str]:
    """Keys that may hold a run."""
    functions = sorted({run.function for run in model.runs.values()})
    return [
        *(f"{kind}:{queue}" for queue in queues for kind in ("q", "qs")),
        *(f"in:{worker}" for worker in workers),
        *(f"wt:shop/{function}" for function in functions),
        *(f"done:shop/{function}:{letter}" for function in functions for letter in INDEXES.values()),
    ]


assert set(ALIVE) <= LETTERS.keys()
