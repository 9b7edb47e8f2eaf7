"""What scripts call a limiter: 7 characters (42 bits) that stand for its definition, or for a value of its key."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha1
from typing import Any

from .values import MISSING, tagged

_PART = 7


def shared_limiter(name: str) -> str:
    """The limiter that all functions share which name it."""
    return part(f"shared\0{name}")


def own_limiter(function_key: str, key: str | None) -> str:
    """The limiter of one function, for one key expression."""
    return part(f"own\0{function_key}\0{key or ''}")


def throttle_limiter(function_key: str, key: str | None) -> str:
    """The throttle of one function."""
    return part(f"throttle\0{function_key}\0{key or ''}")


def fairness_limiter(function_key: str, key: str) -> str:
    """The windows of one function's values."""
    return part(f"fairness\0{function_key}\0{key}")


def singleton_limiter(function_key: str, key: str | None) -> str:
    """The singleton of one function."""
    return part(f"singleton\0{function_key}\0{key or ''}")


def value_part(value: Any) -> str:
    """The part that stands for the value of a key; events without the path share one."""
    return part("missing" if value is MISSING else f"value\0{tagged(value)}")


def part(text: str) -> str:
    """The characters that stand for a text."""
    digest = sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return urlsafe_b64encode(digest)[:_PART].decode()
