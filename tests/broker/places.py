"""What must hold after every call, whatever happened before: each run in one place, slots with those that hold them."""

from collections import defaultdict
from typing import Any

from tests.broker.driver import Driver


async def complaints(driver: Driver, limits: dict[str, int]) -> list[str]:
    """All that is wrong with what is stored: empty, if every promise about places and slots is kept."""
    stored = await driver.stored()
    found: list[str] = []
    runs = {name[2:]: value for name, value in stored.items() if name.startswith("r:")}
    places = _places(stored)
    for run, record in runs.items():
        expected = _expected(run, record)
        if sorted(places.get(run, [])) != expected:
            found.append(f"{run} {_text(record)} is in {places.get(run, [])}, not in {expected}")
        pending = [name for name in stored.get(f"s:{run}", {}) if name.startswith(b"p:")]
        if int(record.get(b"np", 0)) != len(pending):
            found.append(f"{run} counts {record.get(b'np')} pending steps, has {pending}")
    found += [f"{run} is in {places[run]} without a record" for run in places.keys() - runs.keys()]
    found += _slots(stored, runs, limits)
    found += _backlogs(stored, limits)
    found += _singletons(stored, runs)
    found += _windows(stored, runs, limits)
    found += [f"erred: {member}" for member, _ in stored.get("bad", [])]
    return found


def _places(stored: dict[str, Any]) -> dict[str, list[str]]:
    places = defaultdict(list)
    for name, value in stored.items():
        kind = name.split(":")[0]
        if kind in ("q", "qs", "bk", "in", "wt"):
            for member, _ in value:
                places[member.decode()].append(name)
        elif kind == "done":
            for member, _ in value:
                places[member.decode()].append(kind)
    return places


def _expected(run: str, record: dict[bytes, bytes]) -> list[str]:
    match record[b"s"]:
        case b"q" if b"pg" in record:
            return [f"bk:{gate(record)}"]
        case b"q" if b"l" in record and record.get(b"h") != b"1":
            return [f"bk:{missing(record)}"]
        case b"q":
            kind = "qs" if int(record.get(b"k", 0)) >= 2 else "q"
            return [f"{kind}:{record[b'q'].decode()}"]
        case b"r":
            return [f"in:{record[b'w'].decode()}"]
        case b"w":
            return [f"wt:{record[b'f'].decode()}"]
        case _:
            return ["done"]


def gate(record: dict[bytes, bytes]) -> str:
    """The pause that a run's record says it is parked behind."""
    code, function = record[b"pg"].decode(), record[b"f"].decode()
    match code[0]:
        case "f":
            return f"!f|{function}"
        case "s":
            return f"!s|{code[1:]}"
        case "q":
            return f"!q|{':'.join(record[b'q'].decode().split(':')[:2])}"
        case _:
            return f"!k|{function}|{code[1:]}"


def missing(record: dict[bytes, bytes]) -> str:
    """The limiters that a parked run still needs."""
    tokens = [token for token in record[b"l"].decode().split() if not token.endswith("=")]
    if b"b" in record:
        tokens = [token for token in tokens if not token.endswith("~")]
    if record.get(b"h") == b"2":
        tokens = [token for token in tokens if not token.endswith("+")]
    return " ".join(tokens)


def slots(record: dict[bytes, bytes]) -> list[str]:
    """The limiters whose slots a run holds."""
    if b"h" not in record:
        return []
    tokens = [token for token in record[b"l"].decode().split() if not token.endswith("=")]
    if record[b"h"] == b"2":
        tokens = [token for token in tokens if token.endswith("+")]
    if b"b" in record:
        tokens = [token for token in tokens if not token.endswith("~")]
    return [token.removesuffix("+") for token in tokens]


def _slots(stored: dict[str, Any], runs: dict[str, Any], limits: dict[str, int]) -> list[str]:
    holders = defaultdict(set)
    found = []
    for run, record in runs.items():
        if b"h" in record:
            if record[b"s"] not in (b"q", b"r") and not (record[b"s"] == b"w" and record[b"h"] == b"2"):
                found.append(f"{run} {_text(record)} holds slots")
            for ref in slots(record):
                if ref.endswith("%"):  # a place among the ready, not a slot
                    continue
                holders[ref].add(run.encode())
        elif record[b"s"] == b"r" and b"l" in record:
            found.append(f"{run} {_text(record)} runs without its slots")
    sets = {name[3:]: value for name, value in stored.items() if name.startswith("lc:")}
    for ref in holders.keys() | sets.keys():
        if holders[ref] != sets.get(ref, set()):
            found.append(f"slots of {ref}: {sets.get(ref)}, by records {holders[ref]}")
        if len(holders[ref]) > _limit(ref, limits):
            found.append(f"{len(holders[ref])} hold {ref}")
    return found


def _windows(stored: dict[str, Any], runs: dict[str, Any], limits: dict[str, int]) -> list[str]:
    found = []
    for name, members in stored.items():
        if name.startswith("fr:"):
            found += [f"{run!r} is in {name}" for run, _ in members if runs[run.decode()][b"s"] != b"q"]
            if len(members) > _limit(name[3:], limits):
                found.append(f"{len(members)} are ready in {name}")
    return found


def _singletons(stored: dict[str, Any], runs: dict[str, Any]) -> list[str]:
    owners = {name[3:]: value.decode() for name, value in stored.items() if name.startswith("sg:")}
    return [
        f"{owner} owns {ref}, and is {_text(runs.get(owner, {}))}"
        for ref, owner in owners.items()
        if owner not in runs or runs[owner][b"s"] not in (b"q", b"r", b"w") or ref not in _text(runs[owner])
    ]


def _backlogs(stored: dict[str, Any], limits: dict[str, int]) -> list[str]:
    heads = {name[3:]: value[0][1] for name, value in stored.items() if name.startswith("bk:")}
    holder = {backlog.decode(): ref.decode() for backlog, ref in stored.get("bh", {}).items()}
    held = {
        backlog.decode(): (name[3:], score)
        for name, value in stored.items()
        if name.startswith("lb:")
        for backlog, score in value
    }
    found = []
    if (
        held.keys() != heads.keys()
        or holder.keys() != heads.keys()
        or any(ref != holder[each] or (score != heads[each] and "%" not in each) for each, (ref, score) in held.items())
    ):
        found.append(f"backlogs {heads}, held {held}, by {holder}")
    timers = {member for member, _ in stored.get("dl", [])}
    for ref in holder.values():
        if ref.startswith("!s|"):
            full = f"sg:{ref[3:]}" in stored
        elif ref.startswith("!"):
            full = stored["pz"][ref[1:].encode()].startswith(b"c")
        elif ref.endswith("%"):
            full = len(stored.get(f"fr:{ref}", ())) >= _limit(ref, limits)
        else:  # of a throttle: its burst is used up; else time gives room, by a timer
            full = len(stored.get(f"lc:{ref}", ())) >= _limit(ref, limits)
        if not full and f"l|{ref}".encode() not in timers:
            found.append(f"{ref} has room, holds a backlog, and nothing will drain it")
    return found


def _limit(ref: str, limits: dict[str, int]) -> int:
    """Of a throttle: its burst."""
    return limits[ref.rstrip("~%").split(".")[0]]


def _text(record: dict[bytes, bytes]) -> str:
    return " ".join(
        f"{name.decode()}={value!r}" for name, value in record.items() if name in (b"s", b"w", b"h", b"l", b"k")
    )
