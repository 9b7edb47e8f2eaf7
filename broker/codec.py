"""How values become bytes and bytes become values: MessagePack, with a path to whatever does not fit.

Plain values take one C call. Anything else is first reduced to plain values by a walk that knows where it is.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgpack

from .defaults import MAX_DEPTH, MIB
from .errors import NotSerialisable, Undecodable

_PLAIN = frozenset({type(None), bool, float, bytes})
_TEXT = (Decimal, UUID, PurePath)
_SEQUENCES = (list, tuple, set, frozenset, deque)
_OUTGROWN = 1 * MIB


class _Packers(threading.local):
    """One packer per thread: its buffer is reused, which saves a third of the time of `msgpack.packb`."""

    def __init__(self) -> None:
        self.pack = _packer()


def _packer() -> Callable[[Any], bytes]:
    # strict_types sends tuples and subclasses of str, int and dict to the walk, which knows what they mean.
    pack: Callable[[Any], bytes] = msgpack.Packer(strict_types=True, datetime=True).pack
    return pack


_packers = _Packers()


def encode(value: Any, where: str = "value") -> bytes:
    """Encode a value.

    Supported: None, bool, int (64 bits), float, str, bytes, list, tuple and set (come back as lists), dict, aware
    datetime (comes back in UTC), naive datetime, date and time (ISO text), timedelta (seconds), Decimal, UUID, Path
    (text), Enum (its value), pydantic models, dataclasses.

    Args:
        value: what to encode.
        where: what the value is called in an error, such as ``data``.

    Raises:
        NotSerialisable: names the path to the offending value, such as ``data.items[3].when``.
    """
    try:
        packed = _packers.pack(value)
    except (TypeError, ValueError, OverflowError):
        packed = b""
    if not packed:  # outside of the `except`: what the packer stumbled over would only stand before the real error
        packed = _packers.pack(_plain(value, where, 0))
    if len(packed) > _OUTGROWN:
        _packers.pack = _packer()
    return packed


def decode(data: bytes) -> Any:
    """Decode what `encode` made, or JSON text that another language wrote.

    JSON objects and arrays can't be confused with MessagePack: their first byte would be a complete small integer.

    Raises:
        Undecodable: the bytes are neither.
    """
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=False, timestamp=3)
    except Exception as error:
        if data[:1] in (b"{", b"["):
            try:
                return json.loads(data)
            except (ValueError, RecursionError):
                pass
        raise Undecodable(f"{len(data)} stored bytes cannot be decoded ({type(error).__name__}: {error}).") from error


def as_msgpack(data: bytes) -> bytes:
    """Event data in the one form that scripts may splice into other values: JSON text is encoded anew.

    Raises:
        Undecodable: it begins like JSON and is none.
    """
    if data[:1] in (b"{", b"[") and len(data) > 1:
        return encode(decode(data))
    return data or b"\xc0"


class WellFormed:
    """Tells whether bytes are exactly one MessagePack value, without making the value. For one thread."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker()

    def __call__(self, data: bytes) -> bool:
        unpacker = self._unpacker
        end = unpacker.tell() + len(data)
        try:
            unpacker.feed(data)
            unpacker.skip()
            if unpacker.tell() == end:
                return True
        except Exception:  # of many kinds
            pass
        self._unpacker = msgpack.Unpacker()  # the old one still holds what it could not read
        return False


def _plain(value: Any, where: str, depth: int) -> Any:
    """Reduce a value to what the packer takes as it is."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if depth > MAX_DEPTH:
        raise NotSerialisable(_shorten(where), f"it is nested more than {MAX_DEPTH} levels deep, or contains itself")
    if isinstance(value, Enum):
        return _plain(value.value, where, depth + 1)
    if isinstance(value, str):
        return _plain_text(value, where)
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise NotSerialisable(where, "the integer needs more than 64 bits", remedy="Send it as text.")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(item, _member(where, key), depth + 1) for key, item in value.items()}
    if isinstance(value, _SEQUENCES):
        items = _ordered(value) if isinstance(value, (set, frozenset)) else value
        return [_plain(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(items)]
    return _plain_object(value, where, depth)


def _plain_object(value: Any, where: str, depth: int) -> Any:
    if isinstance(value, dt.datetime):
        return value if value.utcoffset() is not None else value.isoformat()
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, _TEXT):
        return _plain_text(str(value), where)
    if _is_model(value):
        try:
            # By alias, because a model with aliases is validated by alias too.
            dumped = value.model_dump(mode="json", by_alias=True, round_trip=True)
        except Exception as error:
            raise NotSerialisable(where, f"the model {type(value).__qualname__} cannot be dumped ({error})") from error
        return _plain(dumped, where, depth + 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name), f"{where}.{field.name}", depth + 1)
            for field in dataclasses.fields(value)
        }
    raise NotSerialisable(where, f"it is {_described(value)}")


def _plain_text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotSerialisable(where, "the text is not valid Unicode (it holds a lone surrogate)") from None
    return str(value)


def _key(key: Any, where: str) -> Any:
    if type(key) is str:
        return _plain_text(key, f"a key of {where}")
    plain = _plain(key, f"a key of {where}", 0)
    if isinstance(plain, (list, dict)):
        raise NotSerialisable(f"a key of {where}", f"it is {_described(key)}", remedy="Use text or numbers as keys.")
    return plain


def _ordered(items: set[Any] | frozenset[Any]) -> list[Any]:
    # Sets iterate differently in every process; sorted, equal values become equal bytes.
    try:
        return sorted(items)
    except TypeError:
        return list(items)


def _is_model(value: Any) -> bool:
    # If pydantic was never imported, no model can exist; importing it here would slow down every client.
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _member(where: str, key: Any) -> str:
    return f"{where}.{key}" if isinstance(key, str) and key.isidentifier() else f"{where}[{key!r}]"


def _shorten(where: str) -> str:
    return where if len(where) <= 80 else f"{where[:60]}...{where[-15:]}"


def _described(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"the class {name}" if isinstance(value, type) else f"of type {name}"
