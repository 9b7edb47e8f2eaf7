"""Every verb of the clients as a conversation, which `Client` carries out in threads, `AsyncClient` on event loops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from . import durability as durabilities
from . import ids, validation
from .codec import encode
from .connection import Endpoint
from .conversation import Pause, Talk, reliably
from .defaults import MAX_NAME_LENGTH, WAIT_FOR_REDIS_SECONDS
from .durability import Durability, Wanted
from .durations import Duration, Moment, milliseconds, seconds
from .errors import BgjobsError, FunctionNotFound, InvalidEvent, RunNotFound, UsageError
from .event import EventLike, FunctionRef, NewEvent, TypedEvent
from .explanation import Explanation
from .inspect.events import find_event, runs_of_event
from .inspect.listing import list_runs
from .inspect.result import find_run, wait_for_result
from .inspect.runs import read_steps
from .inspect.why.explain import explain
from .keys import Keys
from .model import RunState
from .operations import SUCCESS
from .outgoing import Checks, Outgoing
from .patience import Patience
from .producer import Producer, limit_bulk
from .receipt import BulkReceipt, Receipt
from .run_info import PENDING, RunInfo, StepInfo
from .settings import Settings
from .transitions import Call, cancel, signal
from .transitions.carry import carry_out

T = TypeVar("T")

_SIGNAL_PAGE = 100
_LOOK_AGAIN_SECONDS = 0.05


class Requests:
    """The wire-free core of a client.

    Args:
        redis: URL of the server; default: the setting `redis_url`.
        namespace: default: the setting `namespace`.
        app: what bare function ids refer to.
        timeout: longest wait for the server per call; default: the setting `timeout`, 5 s.
        durability: of sends that say nothing else; default: the setting `durability`.

    Raises:
        ConfigurationError: one of them is not usable.
    """

    def __init__(
        self,
        redis: str | None,
        *,
        namespace: str | None,
        app: str | None,
        timeout: Duration | None,
        durability: Durability | None,
    ) -> None:
        settings = Settings()
        self.endpoint = Endpoint(settings.redis_url(redis))
        self.namespace = settings.namespace(namespace)
        self.app = app
        self.timeout = settings.seconds("timeout", timeout, WAIT_FOR_REDIS_SECONDS)
        self.keys = Keys(self.namespace)
        self.address = str(self.endpoint)
        self._durability = durabilities.parse(settings.text("durability", durability, "memory"))
        self._checks = Checks()
        self._registered: set[str] = set()  # functions known to be there: looked up once
        self.producer = Producer(self.keys, address=self.address, timeout=self.timeout, app=app)

    # -- sending ---------------------------------------------------------------------------------------------------

    def outgoing(
        self,
        event: TypedEvent | str,
        data: Any = None,
        *,
        id: str | UUID | None = None,
        delay: Duration | None = None,
        at: Moment | None = None,
        key: str | None = None,
    ) -> Outgoing:
        """An event, checked and encoded. Raises InvalidEvent and its kin."""
        return self._checks.event(event, data, id=id, delay=delay, at=at, key=key)

    def send(self, event: Outgoing, durability: Durability | None) -> Talk[Receipt]:
        """Write one event."""
        return self.producer.send(event, self._wanted(durability))

    def send_many(self, events: Iterable[EventLike], durability: Durability | None) -> Talk[BulkReceipt]:
        """Check and write many events; a bad one fails alone."""
        if isinstance(events, str | NewEvent | TypedEvent):
            raise UsageError(
                "send_many takes a list of events, and got one.", remedy="Use send, or give a list of one."
            )
        given = list(events)
        limit_bulk(len(given))
        return self.producer.send_many([self._checked(event) for event in given], self._wanted(durability))

    def _checked(self, event: EventLike) -> Outgoing | BgjobsError:
        try:
            if type(event) is NewEvent:
                return self._checks.event(
                    event.name, event.data, id=event.id, delay=event.delay, at=event.at, key=event.key
                )
            if isinstance(event, TypedEvent):
                return self._checks.event(event)
        except BgjobsError as error:
            return error
        return InvalidEvent(
            f"A {type(event).__name__} is no event.", remedy='Give NewEvent("order/created", data) or a typed event.'
        )

    def _wanted(self, durability: Durability | None) -> Wanted:
        return self._durability if durability is None else durabilities.parse(durability)

    def function_key(self, function: FunctionRef) -> str:
        """The key of a function. Raises UsageError if its app is unknown."""
        return validation.function_key(getattr(function, "key", function), self.app)

    def invoke(
        self, function: FunctionRef, data: Any, *, id: str | UUID | None, delay: Duration | None
    ) -> tuple[Outgoing, str]:
        """The event that starts a function, and the id of the run that it makes."""
        key = self.function_key(function)
        event = self._checks.invocation(key, data, id=id, delay=delay)
        return event, ids.run_id(key, ids.event_key(event.name, event.event_id))

    def start(self, invocation: Outgoing) -> Talk[Receipt]:
        """Write the event that starts a function.

        Raises:
            FunctionNotFound: nobody would carry it out. Before the first worker of a namespace has come, any function
                may be named: that one reads from the oldest event.
        """
        key = invocation.function or ""
        if key not in self._registered:
            app, _, function = key.partition("/")
            known, apps = yield from reliably(
                self.patience(), ("HEXISTS", self.keys(f"fn:{app}"), f"f:{function}"), ("SCARD", self.keys("ap"))
            )
            if known:
                self._registered.add(key)
            elif apps:
                raise FunctionNotFound(f"No function {key!r} is registered in the namespace {self.namespace!r}.")
        return (yield from self.send(invocation, None))

    def signal(self, name: str, data: Any, keep: Duration | None) -> Talk[int]:
        """Resolve the waits for a signal."""
        _check_signal(name)
        envelope = SUCCESS + encode(data, "data")
        validation.data_size(name, envelope)
        keep_ms = 0 if keep is None else milliseconds(keep, what="keep")
        return self._signal(name, envelope, keep_ms)

    def _signal(self, name: str, envelope: bytes, keep_ms: int) -> Talk[int]:
        patience = self.patience()
        yield from self.producer.prepare(patience)
        resolved = 0
        while True:
            # A signal kept for a late waiter must not be kept when earlier pages resolved some.
            count = yield from self.do(signal(name, envelope, keep_ms=0 if resolved else keep_ms), patience)
            resolved += count
            if count < _SIGNAL_PAGE:
                return resolved

    # -- runs ------------------------------------------------------------------------------------------------------

    def run(self, run: str, *, accepted: RunInfo | None = None) -> Talk[RunInfo]:
        """One run; `accepted` is the answer if it is not recorded yet but known to come."""
        try:
            info = yield from find_run(self.keys, self.patience(), run)
        except RunNotFound:
            if accepted is None:
                raise
            return accepted
        return accepted if accepted is not None and info.state == PENDING else info

    def result(self, run: str, timeout: Duration | None, *, accepted: bool = False) -> Talk[Any]:
        """Wait for what a run returns."""
        wait = None if timeout is None else seconds(timeout, what="timeout")
        return wait_for_result(self.keys, self.patience, run, wait, accepted=accepted)

    def cancel(self, run: str, reason: str) -> Talk[bool]:
        """Cancel a run, waiting for the ingest of its event if need be. Raises RunNotFound."""
        patience = self.patience()
        while True:
            (answer,) = yield from self.cancel_many([run], reason)
            if answer != "missing":
                return answer != "done"
            info = yield from self.run(run)  # raises RunNotFound unless it may come
            if info.done:
                return False
            if info.id != run:
                raise UsageError(
                    f"The event of the run {run} was collected into the run {info.id}, which is for others, too.",
                    remedy=f"To cancel it for all of them, cancel {info.id}.",
                )
            if patience.elapsed > self.timeout:
                raise RunNotFound(
                    f"The event of the run {run} is not ingested yet, so there is nothing to cancel.",
                    remedy="Start a worker (`bgjobs worker`), or try again shortly.",
                )
            yield Pause(_LOOK_AGAIN_SECONDS)

    def cancel_many(self, runs: Sequence[str], reason: str) -> Talk[list[str]]:
        """Per run: "missing", "done", "cancelled" or "requested"."""
        return self.do(cancel(runs, reason=reason or "cancelled"))

    def runs(self, event: str | Receipt, name: str | None) -> Talk[list[RunInfo]]:
        """The runs that an event made."""
        patience = self.patience()
        if isinstance(event, Receipt):
            return (yield from runs_of_event(self.keys, patience, event.event_id, event.name))
        if name is None:
            name = (yield from find_event(self.keys, patience, event)).name
        return (yield from runs_of_event(self.keys, patience, event, name))

    def list_runs(
        self, function: FunctionRef | None, state: RunState | None, limit: int, before: str | None
    ) -> Talk[list[RunInfo]]:
        """A page of runs."""
        key = None if function is None else self.function_key(function)
        if state is not None and state not in set(RunState):
            raise UsageError(f"{state!r} is no state of a run.", remedy=f"Give one of {', '.join(RunState)}.")
        return list_runs(
            self.keys, self.patience(), function=key, state=state and RunState(state), limit=limit, before=before
        )

    def steps(self, run: str) -> Talk[list[StepInfo]]:
        """The steps of a run."""
        info = yield from self.run(run)  # raises RunNotFound
        return (yield from read_steps(self.keys, self.patience(), run, ended=info.done))

    def why(self, run: str) -> Talk[Explanation]:
        """Why a run is where it is."""
        return explain(self.keys, self.patience(), run, offset_ms=self.offset_ms)

    # -- the server ------------------------------------------------------------------------------------------------

    def ping(self) -> Talk[None]:
        """Whether the server answers and the namespace fits."""
        patience = self.patience()
        yield from reliably(patience, ("PING",))
        yield from self.producer.prepare(patience)

    def patience(self) -> Patience:
        """The bounded wait of one call, from now on."""
        return self.producer.patience()

    @property
    def offset_ms(self) -> int:
        """Moves the time that scripts see, and from which delays count (tests)."""
        return self.producer.offset_ms

    @offset_ms.setter
    def offset_ms(self, milliseconds: int) -> None:
        self.producer.offset_ms = milliseconds

    def do(self, call: Call[T], patience: Patience | None = None) -> Talk[T]:
        """Carry out a transition that may be repeated."""
        return carry_out(call, self.keys, patience or self.patience(), offset_ms=self.offset_ms)


def _check_signal(name: object) -> None:
    if not isinstance(name, str) or not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise UsageError(f"{name!r} is not a valid signal name.", remedy="Use 1 to 128 printable characters.")
