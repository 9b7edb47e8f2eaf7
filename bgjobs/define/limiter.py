"""References to limiters: what a run's record and the scripts call the concurrency limits that it counts against.

A reference is `<definition>` or `<definition>.<value>`, each part 7 characters (42 bits): a run's record has 64 bytes
for all of its references (R48), which is enough for four with values, 4 * 15 + 3 blanks; `policies` refuses more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..broker.limiter_ids import own_limiter, shared_limiter, value_part
from .paths import compile_path
from .registry import ConcurrencyData, Definition


def limiter_of(function_key: str, limit: ConcurrencyData) -> str:
    """The definition part: of the shared name, or of the function's own limit."""
    if limit.name is not None:
        return shared_limiter(limit.name)
    return own_limiter(function_key, limit.key)


def limits_of(definition: Definition) -> dict[str, int]:
    """Definition part -> limit, for all limits of a function."""
    return {limiter_of(definition.key, limit): limit.limit for limit in definition.concurrency}


def limiter_references(definition: Definition, event: Mapping[str, Any]) -> str:
    """The references of a run that the event makes, joined by blanks, in an order that depends on nothing else.

    Args:
        definition: of the function.
        event: a mapping with `id`, `name`, `data`, `key`.

    Raises:
        InvalidExpression: a key of the definition can't be read.
    """
    references = []
    for limit in definition.concurrency:
        reference = limiter_of(definition.key, limit)
        if limit.key is not None:
            reference += "." + value_part(compile_path(limit.key).get(event))
        references.append(reference)
    # Runs with equal lists form one backlog: the order in which the limits were written must not split it.
    return " ".join(sorted(references))
