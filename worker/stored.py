"""What a step or a function returned, as it is stored."""

from __future__ import annotations

import inspect
from typing import Any

from ..broker.codec import encode
from ..broker.defaults import MAX_STEP_RESULT_BYTES
from ..broker.errors import NotSerialisable


def stored(value: Any, where: str) -> bytes:
    """Encode a result.

    Args:
        value: what was returned.
        where: what it is the result of, for the message.

    Raises:
        NotSerialisable: it can't be stored, or takes too much room.
    """
    if inspect.iscoroutine(value):
        value.close()  # else Python says, long after and with no step's name, that it was never awaited
        raise NotSerialisable(
            where,
            "it is a coroutine that nobody has awaited",
            remedy="Await it in an `async def` function, or run it with asyncio.run(...) in the body.",
        )
    data = encode(value, where=where)
    if len(data) > MAX_STEP_RESULT_BYTES:
        raise NotSerialisable(
            where,
            f"it takes {len(data):,} bytes, more than {MAX_STEP_RESULT_BYTES:,}",
            remedy="Store it elsewhere and return a reference to it.",
        )
    return data
