"""Read what is registered, and which events runs wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from ..codec import decode
from ..connection import AsyncRedis
from ..keys import Keys


@dataclass(frozen=True, slots=True)
class Registry:
    """An app's functions as data, and the versions of its event names."""

    definitions: dict[str, dict[str, Any]]  # function id -> definition
    versions: dict[str, str]  # event name (or "*") -> version
    deployments: dict[str, tuple[str, ...]]  # deployment -> function ids
    retired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Interest:
    """What waits there are for events of one name."""

    version: str
    paths: tuple[str, ...]


async def read_registry(client: AsyncRedis, keys: Keys, app: str) -> Registry:
    """The registry of an app, in one look: its versions are read first, so that they are never newer than the rest."""
    async with client.pipeline(transaction=True) as pipe:
        pipe.hgetall(keys(f"fv:{app}"))
        pipe.hgetall(keys(f"fn:{app}"))
        versions, fields = await pipe.execute()
    return parse_registry(versions, fields)


def parse_registry(versions: dict[bytes, bytes], fields: dict[bytes, bytes]) -> Registry:
    definitions, deployments, retired = {}, {}, []
    for raw, packed in fields.items():
        kind, _, name = raw.decode().partition(":")
        if kind == "f":
            definitions[name] = decode(msgpack.unpackb(packed, raw=True)[1])
        elif kind == "d":
            deployments[name] = tuple(each.decode() for each in msgpack.unpackb(packed, raw=True)[1])
        elif kind == "x":
            retired.append(name)
    return Registry(
        definitions=definitions,
        versions={name.decode(): version.decode() for name, version in versions.items()},
        deployments=deployments,
        retired=tuple(retired),
    )


async def read_versions(
    client: AsyncRedis, keys: Keys, app: str, names: Sequence[str]
) -> tuple[dict[str, str], list[Interest]]:
    """The versions of an app's triggers for wildcards (`*`) and for event names, "" where there are none; and per name
    the waits of the app's runs, in order, with an empty version where there are none."""
    async with client.pipeline(transaction=False) as pipe:
        pipe.hmget(keys(f"fv:{app}"), ["*", *names])
        if names:
            pipe.hmget(keys(f"wn:{app}"), list(names))
        versions, *interests = await pipe.execute()
    found = {name: (version or b"").decode() for name, version in zip(("*", *names), versions, strict=True)}
    return found, [_interest(packed) for packed in (interests[0] if interests else ())]


def _interest(packed: bytes | None) -> Interest:
    if packed is None:
        return Interest(version="", paths=())
    entry = msgpack.unpackb(packed, raw=False)
    return Interest(version=entry["v"], paths=tuple(entry["p"]))
