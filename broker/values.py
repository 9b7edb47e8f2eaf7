"""When two values of event data are the same (R31), as one tagged form that is compared, hashed and indexed.

An integral float equals the int, because JSON can't tell them apart; bool, text and number differ, because people can.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final


class Missing:
    """The type of `MISSING`."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


#: What a path gives that leads nowhere. It equals nothing, not even itself.
MISSING: Final = Missing()


def tagged(value: Any) -> str:
    """A text that two values share exactly when they are the same. The first letter is the type.

    Raises:
        TypeError: for `MISSING`, which is the same as nothing.
    """
    match value:
        case None:
            return "z"
        case bool():
            return "b1" if value else "b0"
        case int():
            return f"n{value}"
        case float():
            return f"n{int(value)}" if value.is_integer() else f"n{value!r}"
        case str():
            return f"s{value}"
        case bytes() | bytearray() | memoryview():
            return f"y{bytes(value).hex()}"
        case datetime():
            return f"t{value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()}"
        case Mapping():
            return "m" + json.dumps(sorted((str(key), tagged(item)) for key, item in value.items()))
        case Sequence():
            return "l" + json.dumps([tagged(item) for item in value])
        case Missing():
            raise TypeError("what is missing is the same as nothing")
        case _:
            return f"x{type(value).__name__}:{value!r}"


def same(left: Any, right: Any) -> bool:
    """Whether two values are the same; `MISSING` and not-a-number never are."""
    if left is MISSING or right is MISSING or left != left or right != right:
        return False
    return tagged(left) == tagged(right)


def value_hash(value: Any) -> str:
    """16 hexadecimal characters that stand for the value in a key.

    8 bytes: among 100 million values of one key expression, two share a hash with a probability of 0.03 %.

    Raises:
        TypeError: for `MISSING`.
    """
    return blake2b(tagged(value).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
