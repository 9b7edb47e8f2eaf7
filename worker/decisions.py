"""What the ingester decides about a stream entry: is it an event, whom does it start, which waits may it end."""

from __future__ import annotations

import logging

import msgpack

from ..broker.codec import WellFormed, as_msgpack
from ..broker.defaults import MAX_EVENT_BYTES, MAX_ID_LENGTH, MAX_KEY_LENGTH
from ..broker.errors import BgjobsError
from ..broker.ids import event_key, run_id
from ..broker.model import IngestEvent, LeasedRun, Match
from ..broker.operations import SUCCESS
from ..broker.validation import INVOKE, event_name
from ..define.arriving import policies_of
from ..define.errors import DefinitionError
from ..define.filters import FilterError, compile_filter
from ..define.limiter import limiter_references
from ..define.matching import Matched, Unevaluable, matched
from ..define.names import LIFECYCLE_EVENTS
from ..define.paths import compile_path
from ..define.registry import Definition
from ..define.values import MISSING, value_hash
from .catalog import Catalog
from .lazy_event import LazyEvent
from .metrics import WorkerMetrics

logger = logging.getLogger("bgjobs.worker")

_MOST_NAMES = 20_000


class BadEntry(Exception):
    """The entry can't be ingested, ever; the message says why."""


class Decider:
    """Turns entries into what the ingest script is told, for one app."""

    def __init__(self, app: str, catalog: Catalog, metrics: WorkerMetrics) -> None:
        self._app = app
        self._catalog = catalog
        self._metrics = metrics
        self._names: dict[bytes | None, str] = {}  # as the stream has them -> checked
        self._functions: dict[str, str] = {}  # function key -> id
        self._well_formed = WellFormed()
        self.undecidable: Unevaluable | None = None  # a wait's filter that can't be evaluated here

    def event(self, stream_id: bytes, fields: dict[bytes, bytes]) -> IngestEvent:
        """Read an entry, and match it."""
        sid = stream_id.decode()
        try:
            event = self._read(sid, fields)
            self.match(event)
        except Exception as error:
            return _bad(sid, fields, _reason(error))
        return event

    def again(self, event: IngestEvent) -> IngestEvent:
        """Match an event anew, with what is known now."""
        try:
            self.match(event)
        except Exception as error:
            fields = {b"n": event.name.encode(), b"i": event.id.encode(), b"d": event.data}
            return _bad(event.stream_id, fields, _reason(error))
        return event

    def bury(self, stream_id: bytes, fields: dict[bytes, bytes], why: str) -> IngestEvent:
        """Make an entry a dead letter of kind event."""
        return _bad(stream_id.decode(), fields, why)

    def match(self, event: IngestEvent) -> None:
        """Decide anew whom the event starts and which waits it may end."""
        if event.name == INVOKE:
            event.matches = self._invoked(event)
            return
        if event.bad:
            return
        candidates = self._catalog.knowledge.matcher.candidates(event.name)
        starts = candidates.settled
        if candidates.open:
            starts = candidates.decide(LazyEvent(event, event.partition or None), self._undecided)
        event.matches = [_match(event, each) for each in starts]
        event.cancels = ()
        if candidates.cancelled:
            event.cancels = candidates.cancels(LazyEvent(event, event.partition or None), self._undecided)
        interest = self._catalog.interest(event.name)
        event.buckets = self._buckets(event, interest.paths) if interest.version else ()

    def verdict(self, event: IngestEvent, member: str, expression: str) -> bool:
        """Whether a wait's filter lets the event through; one that can't decide about it does not.

        One that can't be evaluated here, as the run's own worker could, makes `undecidable`: no verdict counts then.
        """
        try:
            compiled = compile_filter(expression)
        except DefinitionError as error:
            run = member[1:].partition("|")[0]
            self.undecidable = Unevaluable(function=f"the wait of run {run}", expression=expression, why=str(error))
            return False
        try:
            return compiled.matches(LazyEvent(event, event.partition or None))
        except (FilterError, BgjobsError) as error:
            logger.warning("the filter %r of a wait can't decide about event %s: %s", expression, event.id, error)
            return False

    def leased(self, event: IngestEvent, match_index: int, g: bytes, now_ms: int) -> LeasedRun:
        """The run that the ingest script leased to this worker at once."""
        match = (plain := event.plain) or event.portion()[0][match_index]
        run = LeasedRun(
            match.run,
            self._app,
            self._functions.get(match.function) or self._function(match.function),
            g,
            match.queue,
            event.name,
            event.id,
            event.data,
            int(event.score),
            now_ms,
            now_ms,
            plain=plain is not None,
        )
        if event.partition:
            run.partition = event.partition
        if event.name == INVOKE:
            run.kind = "invoke"
        return run

    def _function(self, key: str) -> str:
        function = self._functions[key] = key.partition("/")[2]
        return function

    def _read(self, stream_id: str, fields: dict[bytes, bytes]) -> IngestEvent:
        raw_name = fields.get(b"n")
        name = self._names.get(raw_name) or self._name(raw_name)
        ms, _, sequence = stream_id.partition("-")
        raw_id = fields.get(b"i")
        event_id = raw_id.decode() if raw_id else stream_id
        data = as_msgpack(fields.get(b"d", b""))
        generated = not raw_id or b"g" in fields
        if len(event_id) > MAX_ID_LENGTH:
            raise BadEntry(f"its id has {len(event_id)} characters, more than {MAX_ID_LENGTH}")
        if len(data) > MAX_EVENT_BYTES:
            raise BadEntry(f"its data takes {len(data):,} bytes, more than {MAX_EVENT_BYTES:,}")
        if not self._well_formed(data):
            raise BadEntry("its data is neither MessagePack nor JSON")
        event = IngestEvent(
            stream_id,
            name,
            event_id,
            event_key(name, event_id),
            data,
            generated,
            int(ms) + (int(sequence) & 4095) / 4096,
        )
        if len(fields) != 4 or not generated or b"d" not in fields or name == INVOKE:
            self._read_rest(event, fields)
        return event

    def _read_rest(self, event: IngestEvent, fields: dict[bytes, bytes]) -> None:
        """What few events have."""
        due = int(fields[b"t"]) if b"t" in fields else 0
        if not 0 <= due < 2**53:
            raise BadEntry("its time t is not in milliseconds since 1970")
        partition = fields[b"k"].decode() if b"k" in fields else ""
        if len(partition) > MAX_KEY_LENGTH:
            raise BadEntry(f"its partition key has {len(partition)} characters, more than {MAX_KEY_LENGTH}")
        event.due_ms = due
        event.partition = partition
        if b"f" in fields:
            event.target = fields[b"f"].decode()
        if due or event.name == INVOKE:
            event.fields = _flat(fields, event.id.encode())

    def _name(self, raw: bytes | None) -> str:
        if raw is None:
            raise BadEntry("it has no field n, the event's name")
        name = raw.decode()
        if name != INVOKE and name not in LIFECYCLE_EVENTS:
            event_name(name)
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        self._names[raw] = name
        return name

    def _invoked(self, event: IngestEvent) -> list[Match]:
        app, _, function = event.target.partition("/")
        if app != self._app:
            return []
        definition = self._catalog.knowledge.matcher.definitions.get(function)
        # One that is not due yet comes again when it is: the function may be there by then.
        event.bad = "" if definition or event.due_ms else f"no function {event.target!r} is registered"
        event.lost = run_id(event.target, event.key) if event.bad else ""
        if definition is None:
            return []
        seen = LazyEvent(event, event.partition or None)
        policies = policies_of(definition, seen, invoked=True)
        return [_match(event, matched(definition, seen, limiter_references(definition, seen), policies))]

    def _buckets(self, event: IngestEvent, paths: tuple[str, ...]) -> list[str]:
        seen = LazyEvent(event, event.partition or None)
        buckets = []
        for path in paths:
            if not path:
                buckets.append(f"{event.name}||")
                continue
            value = compile_path(path).get(seen)
            if value is not MISSING:
                buckets.append(f"{event.name}|{path}|{value_hash(value)}")
        if buckets:
            event.envelope = SUCCESS + wait_outcome(event)
        return buckets

    def _undecided(self, definition: Definition, error: FilterError) -> None:
        logger.warning("a filter of %s can't decide: %s", definition.key, error)


def wait_outcome(event: IngestEvent) -> bytes:
    """The event as a wait for it stores it: the data is spliced in as it is."""
    head: bytes = msgpack.packb([event.id, event.name, event.partition or None, int(event.score)])
    return b"\x95" + head[1:] + event.data


def _match(event: IngestEvent, matched: Matched) -> Match:
    key, queue, priority_ms, limiters, policies = matched
    return Match(run_id(key, event.key), key, queue, priority_ms, limiters, policies)


def _flat(fields: dict[bytes, bytes], event_id: bytes) -> tuple[bytes, ...]:
    """The entry as it is appended again when it is due: without its due time, with its id."""
    kept = {b"n": fields[b"n"], b"i": event_id, **fields}
    return tuple(part for item in kept.items() if item[0] != b"t" for part in item)


def _reason(error: Exception) -> str:
    if not isinstance(error, BadEntry | BgjobsError | ValueError | RecursionError):
        logger.error("an event can't be read", exc_info=error)
    return str(error) or type(error).__name__


def _bad(stream_id: str, fields: dict[bytes, bytes], why: str) -> IngestEvent:
    target, run = _lost(stream_id, fields)
    return IngestEvent(
        stream_id=stream_id,
        name="",
        id=stream_id,
        key=stream_id,
        data=b"",
        generated=False,
        score=float(stream_id.partition("-")[0]),
        bad=why,
        fields=tuple(part for item in fields.items() for part in item),
        target=target,
        lost=run,
    )


def _lost(stream_id: str, fields: dict[bytes, bytes]) -> tuple[str, str]:
    """The function that an entry invokes, and the run that it would have made."""
    if fields.get(b"n") != INVOKE.encode() or b"f" not in fields:
        return "", ""
    target = fields[b"f"].decode("utf-8", "replace")
    event_id = fields.get(b"i", stream_id.encode()).decode("utf-8", "replace")
    return target, run_id(target, event_key(INVOKE, event_id))
