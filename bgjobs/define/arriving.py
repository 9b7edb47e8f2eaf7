"""What a function's policies say about one event, as the scripts are told it: entries in their fixed order (R6).

`broker/lua/lib/policies.lua` reads them; the two files change together. Times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha1
from typing import Any, TypeAlias

from ..broker import defaults
from .filters import FilterError, compile_filter
from .keys import compile_key, key_part
from .limiter import singleton_reference
from .paths import compile_path
from .registry import CancelOnData, Definition
from .values import MISSING, tagged

#: Kind, reference (function and value of the key), numbers.
Policies: TypeAlias = tuple[tuple[Any, ...], ...]
#: Told of a filter that could not decide: the event does not match, and the reason is counted.
FilterErrors: TypeAlias = Callable[[Definition, FilterError], None]


def arrival_keys(definition: Definition) -> Iterator[str]:
    """The key expressions that its events are looked at with when they arrive."""
    looked_at = definition.debounce, definition.batch, definition.singleton
    for policy in (definition.idempotency, definition.rate_limit, *looked_at):
        if policy is not None and policy.key is not None:
            yield policy.key
    for clause in definition.cancel_on:
        if clause.match is not None:
            yield clause.match


def policies_of(definition: Definition, event: Mapping[str, Any], *, invoked: bool = False) -> Policies:
    """The entries for an event (a mapping with `id`, `name`, `data`, `key`). Invocations are not collected (R32).

    Raises:
        InvalidExpression, MissingExtra: a key of the definition can't be evaluated here.
    """
    found: list[tuple[Any, ...]] = []
    if (idempotency := definition.idempotency) is not None:
        part = key_part(compile_key(idempotency.key), event)
        if part != "missing":  # nothing to tell a duplicate by
            found.append(("i", f"{definition.key}:{part}", _ms(idempotency.period)))
    if (rate := definition.rate_limit) is not None:
        found.append(("r", _reference(definition, rate.key, event), rate.limit, _ms(rate.period)))
    if (debounce := definition.debounce) is not None and not invoked:
        longest = defaults.MAX_AHEAD_SECONDS if debounce.longest is None else debounce.longest
        found.append(("d", _reference(definition, debounce.key, event), _ms(debounce.period), _ms(longest)))
    if (batch := definition.batch) is not None and not invoked:
        reference = _reference(definition, batch.key, event)
        found.append(("b", reference, batch.size, _ms(batch.timeout), batch.max_bytes))
    collects = not invoked and (definition.debounce is not None or definition.batch is not None)
    if (singleton := definition.singleton) is not None and not collects:
        found.append(("g", singleton_reference(definition, event), 1 if singleton.mode == "cancel" else 0))
    timeouts = (definition.start_timeout, definition.finish_timeout)
    if timeouts != (None, None):
        found.append(("t", *(0 if each is None else _ms(each) for each in timeouts)))
    clauses = [(cancel_reference(definition, each, event), _ms(each.timeout)) for each in definition.cancel_on]
    if clauses := [(reference, timeout) for reference, timeout in clauses if reference]:
        found.append(("c", clauses))
    return tuple(found)


def cancel_reference(definition: Definition, clause: CancelOnData, event: Mapping[str, Any]) -> str:
    """What an event that cancels, and the event of a run that it cancels, have in common; "" if this one lacks it."""
    value = ""
    if clause.match is not None:
        found = compile_path(clause.match).get(event)
        if found is MISSING:
            return ""
        value = tagged(found)
    text = f"{definition.key}\0{clause.name}\0{clause.match or ''}\0{value}"
    return sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:24]


def cancels_of(definition: Definition, event: Mapping[str, Any], on_error: FilterErrors) -> Iterator[str]:
    """The references of the runs of a function that an event cancels."""
    for clause in definition.cancel_on:
        if clause.name != event["name"]:
            continue
        try:
            passes = clause.filter is None or compile_filter(clause.filter).matches(event)
        except FilterError as error:
            on_error(definition, error)
            continue
        if passes and (reference := cancel_reference(definition, clause, event)):
            yield reference


def _reference(definition: Definition, key: str | None, event: Mapping[str, Any]) -> str:
    part = "" if key is None else key_part(compile_key(key), event)
    return f"{definition.key}:{part}"


def _ms(length: float) -> int:
    return max(1, round(length * 1000))
