"""One call of a script: its name, its one packed argument, and how to read the reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgpack

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """What `Broker.do` sends. `argument` is packed with raw strings: the server's msgpack knows no binary type."""

    script: str
    argument: bytes
    read: Callable[[Any], T]


def pack(values: Mapping[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(values, use_bin_type=False)
    return packed


def text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def pairs(flat: list[Any]) -> dict[bytes, bytes]:
    """A flat reply of a hash as a dict."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def dropped_runs(flat: list[Any]) -> tuple[tuple[str, str, int], ...]:
    """What policies dropped: flat function key, reason, count."""
    return tuple((text(f), text(why), int(n)) for f, why, n in zip(flat[::3], flat[1::3], flat[2::3], strict=True))
