"""Which functions of an app an event starts: pure, and one dictionary look-up for names that it has seen before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .arriving import FilterErrors, Policies, arrival_keys, cancels_of, policies_of
from .errors import DefinitionError
from .filters import Filter, FilterError, compile_filter
from .keys import compile_key
from .limiter import limiter_keys, limiter_references
from .names import RESERVED_PREFIX
from .priority import depends_on_event, priority_ms
from .registry import Definition

# Names such as f"order/{id}/paid" are without end.
_MOST_NAMES = 20_000


class Matched(NamedTuple):
    """A function that an event starts. Mostly the same for all events of a name: it holds what each needs."""

    key: str  # of the function
    queue: str  # "<app>:<queue>"
    priority_ms: int
    limiters: str  # references joined by blanks, see `limiter`
    policies: Policies  # what decides before there is a run, see `arriving`


@dataclass(frozen=True, slots=True, kw_only=True)
class Unevaluable:
    """An expression of the app that this worker can't evaluate; as long as there is one, it must not ingest."""

    function: str  # key
    expression: str
    why: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A function whose triggers have the event's name."""

    definition: Definition
    filters: tuple[Filter, ...]  # any of them is enough; none: no filter to pass
    limiters: str | None  # None: they depend on the event
    policies: Policies | None  # None: they depend on the event

    @property
    def depends(self) -> bool:
        """Whether a filter or the priority looks at the event."""
        return bool(self.filters) or depends_on_event(self.definition)


@dataclass(frozen=True, slots=True)
class Candidates:
    """All functions whose triggers have a name."""

    settled: tuple[Matched, ...]  # what every event of this name starts, whatever its data
    open: tuple[Candidate, ...]  # what depends on the event
    cancelled: tuple[Definition, ...] = ()  # functions whose runs events of this name may cancel

    def decide(self, event: Mapping[str, Any], on_error: FilterErrors) -> tuple[Matched, ...]:
        """The functions that an event starts.

        Args:
            event: a mapping with `id`, `name`, `data`, `key`.
            on_error: told of each filter that could not decide.
        """
        if not self.open:
            return self.settled
        found = list(self.settled)
        for candidate in self.open:
            if not candidate.filters or _passes(candidate, event, on_error):
                definition, limiters, policies = candidate.definition, candidate.limiters, candidate.policies
                if limiters is None:
                    limiters = limiter_references(definition, event)
                if policies is None:
                    policies = policies_of(definition, event)
                found.append(matched(definition, event, limiters, policies))
        return tuple(found)

    def cancels(self, event: Mapping[str, Any], on_error: FilterErrors) -> tuple[str, ...]:
        """References of the runs that an event cancels."""
        return tuple(each for definition in self.cancelled for each in cancels_of(definition, event, on_error))


class Matcher:
    """The definitions of an app, compiled. A function matches an event at most once (R1).

    Args:
        definitions: of all functions of the app that are not retired.
    """

    def __init__(self, definitions: Iterable[Definition]) -> None:
        self.definitions = {definition.id: definition for definition in definitions}
        self._exact: dict[str, list[Definition]] = {}
        self._cancelled: dict[str, list[Definition]] = {}  # by name of the event that cancels
        self._beginnings: list[tuple[str, Definition]] = []
        self._known: dict[str, Candidates] = {}
        unevaluable = []
        for definition in self.definitions.values():
            problems = list(_problems(definition))
            unevaluable += problems
            if not problems:
                self._add(definition)
        self.unevaluable: tuple[Unevaluable, ...] = tuple(unevaluable)

    @property
    def lifecycle_names(self) -> frozenset[str]:
        """The events about runs that some trigger names, exactly, so that they are wanted (R12)."""
        return frozenset(name for name in self._exact if name.startswith(RESERVED_PREFIX))

    def candidates(self, name: str) -> Candidates:
        """The functions whose triggers have this event name."""
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= _MOST_NAMES:
                self._known.clear()
            known = self._known[name] = self._find(name)
        return known

    def match(self, event: Mapping[str, Any], on_error: FilterErrors) -> tuple[Matched, ...]:
        """The functions that an event starts. Where the data costs something to decode, see `candidates` first."""
        return self.candidates(event["name"]).decide(event, on_error)

    def _add(self, definition: Definition) -> None:
        for name in {clause.name for clause in definition.cancel_on}:
            self._cancelled.setdefault(name, []).append(definition)
        for trigger in definition.triggers:
            if trigger.name.endswith("*"):
                self._beginnings.append((trigger.name[:-1], definition))
            else:
                self._exact.setdefault(trigger.name, []).append(definition)

    def _find(self, name: str) -> Candidates:
        named = list(self._exact.get(name, ()))
        if not name.startswith(RESERVED_PREFIX):
            named += (definition for beginning, definition in self._beginnings if name.startswith(beginning))
        # By id, because a function may be there once for each of its triggers.
        candidates = [_candidate(definition, name) for definition in {each.id: each for each in named}.values()]
        return Candidates(
            settled=tuple(
                matched(each.definition, {}, each.limiters, each.policies)
                for each in candidates
                if not each.depends and each.limiters is not None and each.policies is not None
            ),
            open=tuple(each for each in candidates if each.depends or each.limiters is None or each.policies is None),
            cancelled=tuple(self._cancelled.get(name, ())),
        )


def matched(definition: Definition, event: Mapping[str, Any], limiters: str, policies: Policies) -> Matched:
    """A function that an event starts, with the priority, limiters and policies that hold for that event."""
    return Matched(definition.key, definition.queue_key, priority_ms(definition, event), limiters, policies)


def trigger_matches(pattern: str, name: str) -> bool:
    """Whether a trigger's name, exact or with `*` at its end, is that of an event; events about runs only exactly."""
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1]) and not name.startswith(RESERVED_PREFIX)
    return name == pattern


def _candidate(definition: Definition, name: str) -> Candidate:
    filters = [trigger.filter for trigger in definition.triggers if trigger_matches(trigger.name, name)]
    return Candidate(
        definition,
        () if None in filters else tuple(compile_filter(text) for text in filters if text is not None),
        None if any(limiter_keys(definition)) else limiter_references(definition, {}),
        None if any(arrival_keys(definition)) else policies_of(definition, {}),
    )


def _passes(candidate: Candidate, event: Mapping[str, Any], on_error: FilterErrors) -> bool:
    for each in candidate.filters:
        try:
            if each.matches(event):
                return True
        except FilterError as error:
            on_error(candidate.definition, error)
    return False


def _problems(definition: Definition) -> Iterable[Unevaluable]:
    texts = [*(each.filter for each in definition.triggers), *(each.filter for each in definition.cancel_on)]
    filters = [(text, compile_filter) for text in texts if text is not None]
    keys = [(key, compile_key) for key in (*limiter_keys(definition), *arrival_keys(definition))]
    if isinstance(definition.priority, str):
        keys.append((definition.priority, compile_key))
    for expression, compiled in [*filters, *keys]:
        try:
            compiled(expression)
        except DefinitionError as error:
            yield Unevaluable(function=definition.key, expression=expression, why=str(error))
