"""The table of keys (the docstring of `broker/keys.py`) as something to hold a server against (R49)."""

import re

from bgjobs.broker import keys
from bgjobs.broker.broker import Broker

_ROW = re.compile(r"^T ([^ ].*?)  (\w+): .*; (.*)$")
#: What a drained and trimmed namespace may hold, by the lifetimes of the table.
_STAYS = ("for good", "while registered", "with the trigger", "until deleted", "with the incarnation")


def rows() -> list[tuple[re.Pattern[str], str, str]]:
    """Per row: which keys it names, their type, how long they live."""
    text = re.sub(r"\n    ", " ", keys.__doc__ or "")
    found = []
    for line in text.splitlines():
        row = _ROW.match(line)
        if row is None:
            continue
        names, kind, lifetime = row.groups()
        found += [(_pattern(name), kind, lifetime) for name in names.split(", T ")]
    return found


def _pattern(name: str) -> re.Pattern[str]:
    optional = re.sub(r"\[(.*?)\]", r"(?:\1)?", re.escape(name).replace(r"\[", "[").replace(r"\]", "]"))
    return re.compile(re.sub(r"<[^>]*>", ".*", optional), re.DOTALL)


async def unknown_keys(broker: Broker) -> list[str]:
    """Keys of the namespace that no row names, or that are of another type than their row says."""
    table = rows()
    assert len(table) > 30, "the docstring of keys.py can't be read"
    unknown = []
    async for key in broker.client.scan_iter(broker.keys("*"), count=1000):
        name = key.decode().removeprefix(broker.keys.prefix)
        kind = (await broker.client.type(key)).decode()
        known = any(pattern.fullmatch(name) and row_kind == kind for pattern, row_kind, _ in table)
        if not known and kind != "none":  # it left meanwhile
            unknown.append(f"{name} ({kind})")
    return unknown


async def left_over(broker: Broker) -> list[str]:
    """Keys that a drained and trimmed namespace must not hold: neither for good, nor leaving by themselves."""
    table = rows()
    found = []
    async for key in broker.client.scan_iter(broker.keys("*"), count=1000):
        name = key.decode().removeprefix(broker.keys.prefix)
        lifetimes = [lifetime for pattern, _, lifetime in table if pattern.fullmatch(name)]
        leaves = await broker.client.pttl(key) > 0
        # A stream of which everything was trimmed stays, empty, as a key.
        empty = name == "dq" and await broker.client.xlen(key) == 0
        stays = any(lifetime.startswith(_STAYS) for lifetime in lifetimes) or name in ("ev", "wk")
        if not leaves and not stays and not empty:
            found.append(name)
    return found
