"""References to limiters: what a run's record and the scripts call the limits that it counts against.

A reference is `<definition>` or `<definition>.<value>`, each part 7 characters (42 bits), and a mark for its kind: none
for a slot that is given back while the run waits, `+` for one that it keeps, `~` for a throttle, `=` for a singleton,
`%` for fairness. A run's record has 64 bytes for all of them (R48), enough for four with values, 4 * 15 + 3 blanks;
with more of them, it takes about 650 bytes more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..broker.limiter_ids import (
    fairness_limiter,
    own_limiter,
    shared_limiter,
    singleton_limiter,
    throttle_limiter,
    value_part,
)
from .keys import compile_key
from .registry import ConcurrencyData, Definition


def limiter_of(function_key: str, limit: ConcurrencyData) -> str:
    """The definition part: of the shared name, or of the function's own limit."""
    if limit.name is not None:
        return shared_limiter(limit.name)
    return own_limiter(function_key, limit.key)


def limits_of(definition: Definition) -> dict[str, int | str]:
    """Definition part -> limit, for all limits of a function; of a throttle "<limit> <period ms> <burst>"."""
    limits: dict[str, int | str] = {limiter_of(definition.key, each): each.limit for each in definition.concurrency}
    throttle = definition.throttle
    if throttle is not None:
        numbers = f"{throttle.limit} {max(1, round(throttle.period * 1000))} {throttle.burst}"
        limits[throttle_limiter(definition.key, throttle.key)] = numbers
    if definition.fairness is not None:
        limits[fairness_limiter(definition.key, definition.fairness.key)] = definition.fairness.window
    return limits


def limiter_keys(definition: Definition) -> Iterator[str]:
    """The key expressions of its limits."""
    for limit in (*definition.concurrency, definition.throttle, definition.singleton, definition.fairness):
        if limit is not None and limit.key is not None:
            yield limit.key


def limiter_references(definition: Definition, event: Mapping[str, Any]) -> str:
    """The references of a run that the event makes, joined by blanks, in an order that depends on nothing else.

    Args:
        definition: of the function.
        event: a mapping with `id`, `name`, `data`, `key`.

    Raises:
        InvalidExpression, MissingExtra: a key of the definition can't be evaluated here.
    """
    references = [
        limiter_of(definition.key, limit) + _value(limit.key, event) + ("+" if limit.hold else "")
        for limit in definition.concurrency
    ]
    throttle = definition.throttle
    if throttle is not None:
        references.append(throttle_limiter(definition.key, throttle.key) + _value(throttle.key, event) + "~")
    if definition.singleton is not None:
        references.append(singleton_reference(definition, event))
    if (fairness := definition.fairness) is not None:
        references.append(fairness_limiter(definition.key, fairness.key) + _value(fairness.key, event) + "%")
    # Runs with equal lists form one backlog: the order in which the limits were written must not split it.
    return " ".join(sorted(references))


def singleton_reference(definition: Definition, event: Mapping[str, Any]) -> str:
    """The reference of what only one run at a time may own; for functions with a singleton."""
    key = None if definition.singleton is None else definition.singleton.key
    return singleton_limiter(definition.key, key) + _value(key, event) + "="


def _value(key: str | None, event: Mapping[str, Any]) -> str:
    return "" if key is None else "." + value_part(compile_key(key).get(event))
