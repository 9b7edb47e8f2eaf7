"""A registered function: what the decorator was given, checked, and the callable that it stays."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias, TypedDict, TypeVar, Unpack

from ..broker.ids import function_key
from ..broker.validation import INVOKE
from .admission import (
    Fairness,
    FairnessOption,
    Singleton,
    SingletonOption,
    Throttle,
    fairness_of,
    singleton_of,
    throttle_of,
)
from .arrivals import (
    Batch,
    CancelOn,
    CancelOnOption,
    Debounce,
    Idempotency,
    IdempotencyOption,
    RateLimit,
    arrival_data,
    cancel_on_of,
    collecting_of,
    rate_limit_of,
    run_timeout_of,
)
from .callables import is_async, is_callable
from .durations import Duration
from .errors import DefinitionError
from .matching import trigger_matches
from .names import check_name
from .policies import (
    Backoff,
    Concurrency,
    ConcurrencyOption,
    IsolationOption,
    ProcessIsolation,
    check_retries,
    concurrency_limits,
    isolation_of,
)
from .priority import check_priority
from .registry import ConcurrencyData, CronData, Definition, TriggerData
from .trigger import Cron, CronOption, Trigger, TriggerOption, crons_of, triggers_of

if TYPE_CHECKING:
    from .app import App
    from .event import EventModel

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

#: What is appended to a function's id to name its `on_failure` function.
ON_FAILURE_SUFFIX = ".on-failure"


class FunctionOptions(TypedDict, total=False):
    """The options of the decorator; `App.function` says what they mean."""

    on: TriggerOption | Sequence[TriggerOption]
    cron: CronOption | Sequence[CronOption]
    retries: int | None
    backoff: Backoff | Duration | None
    timeout: Duration | None
    concurrency: ConcurrencyOption
    throttle: Throttle | None
    singleton: SingletonOption
    fairness: FairnessOption
    idempotency: IdempotencyOption
    rate_limit: RateLimit | None
    debounce: Debounce | None
    batch: Batch | None
    cancel_on: CancelOnOption
    start_timeout: Duration | None
    finish_timeout: Duration | None
    queue: str | None
    priority: float | str
    on_failure: Callable[..., Any] | None
    isolation: IsolationOption


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDefinition:
    """Everything that a worker needs to run a function."""

    app: str
    id: str
    callable: Callable[..., Any]
    is_async: bool
    triggers: tuple[Trigger, ...]
    cron: tuple[Cron, ...]
    retries: int  # attempts after the first
    backoff: Backoff
    timeout: float | None  # seconds, of one attempt
    concurrency: tuple[Concurrency, ...]
    throttle: Throttle | None
    singleton: Singleton | None
    fairness: Fairness | None
    idempotency: Idempotency | None
    rate_limit: RateLimit | None
    debounce: Debounce | None
    batch: Batch | None
    cancel_on: tuple[CancelOn, ...]
    start_timeout: float | None  # seconds, from queued to the first lease
    finish_timeout: float | None  # seconds, from the first lease
    queue: str
    priority: float | str  # seconds, or the expression that gives them
    isolation: ProcessIsolation | None
    on_failure: str | None = None  # function id
    failure_of: str | None = None  # function id

    @property
    def key(self) -> str:
        """The function's key in the namespace."""
        return function_key(self.app, self.id)

    def event_model(self, name: str) -> type[EventModel] | None:
        """What the data of an event of this name is checked against; None: not at all.

        An invocation is checked if all triggers of the function are of one model: it can expect nothing else.
        """
        if name == INVOKE:
            all_models = {trigger.model for trigger in self.triggers}
            return all_models.pop() if len(all_models) == 1 else None
        models = (trigger.model for trigger in self.triggers if trigger_matches(trigger.name, name))
        return next((model for model in models if model is not None), None)

    def as_data(self) -> Definition:
        """What the registry holds of it."""
        documentation = inspect.getdoc(self.callable) or ""
        return Definition(
            app=self.app,
            id=self.id,
            queue=self.queue,
            priority=self.priority,
            retries=self.retries,
            timeout=self.timeout,
            on_failure=self.on_failure,
            failure_of=self.failure_of,
            isolation="process" if self.isolation else None,
            description=documentation.partition("\n")[0][:200],
            triggers=tuple(TriggerData(name=each.name, filter=each.filter) for each in self.triggers),
            cron=tuple(
                CronData(key=each.key, expression=each.expression, tz=each.tz, missed=each.missed) for each in self.cron
            ),
            concurrency=tuple(
                ConcurrencyData(limit=each.limit, key=each.key, name=each.name, hold=each.hold)
                for each in self.concurrency
            ),
            throttle=None if self.throttle is None else self.throttle.as_data(),
            singleton=None if self.singleton is None else self.singleton.as_data(),
            fairness=None if self.fairness is None else self.fairness.as_data(),
            **arrival_data(self.idempotency, self.rate_limit, self.debounce, self.batch, self.cancel_on),
            start_timeout=self.start_timeout,
            finish_timeout=self.finish_timeout,
        )


class Function(Generic[P, R_co]):
    """What the decorator returns: the function as it was, for calling it directly, and its definition."""

    def __init__(self, app: App, definition: FunctionDefinition, callable: Callable[P, R_co]) -> None:
        # First, because it also copies the attributes of the callable.
        functools.update_wrapper(self, callable)
        self.app = app
        self.definition = definition
        self._callable = callable

    @property
    def id(self) -> str:
        """Its id within the app."""
        return self.definition.id

    @property
    def key(self) -> str:
        """Its key in the namespace: "shop/process-order"."""
        return self.definition.key

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self._callable(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<bgjobs function {self.key}>"


AnyFunction: TypeAlias = Function[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDefaults:
    """What an app gives its functions where their decorators say nothing."""

    retries: int
    backoff: Backoff
    queue: str


def define(
    app: str,
    id: str,
    callable: Callable[..., Any],
    defaults: FunctionDefaults,
    *,
    on_failure_id: str | None = None,
    failure_of: str | None = None,
    **options: Unpack[FunctionOptions],
) -> FunctionDefinition:
    """Check what a decorator was given. `on_failure_id` and `failure_of` are ids of functions of the same app.

    Raises:
        DefinitionError: says what is wrong and what to do.
    """
    if unknown := sorted(options.keys() - FunctionOptions.__annotations__.keys()):
        raise DefinitionError(
            f"A function has no option {', '.join(f'{name}=' for name in unknown)}.",
            remedy=f"The options are {', '.join(FunctionOptions.__annotations__)}.",
        )
    retries, backoff, timeout = options.get("retries"), options.get("backoff"), options.get("timeout")
    queue = options.get("queue")
    debounce, batch = collecting_of(options.get("debounce"), options.get("batch"))
    definition = FunctionDefinition(
        app=app,
        id=check_name(id, "The function id"),
        callable=callable,
        is_async=is_async(callable),
        triggers=triggers_of(options.get("on", ())),
        cron=crons_of(options.get("cron", ())),
        retries=defaults.retries if retries is None else check_retries(retries),
        backoff=defaults.backoff if backoff is None else Backoff.of(backoff),
        timeout=run_timeout_of(timeout, "timeout"),
        concurrency=concurrency_limits(options.get("concurrency", ())),
        throttle=throttle_of(options.get("throttle")),
        singleton=singleton_of(options.get("singleton")),
        fairness=fairness_of(options.get("fairness")),
        idempotency=Idempotency.of(options.get("idempotency")),
        rate_limit=rate_limit_of(options.get("rate_limit")),
        debounce=debounce,
        batch=batch,
        cancel_on=cancel_on_of(options.get("cancel_on", ())),
        start_timeout=run_timeout_of(options.get("start_timeout"), "start_timeout"),
        finish_timeout=run_timeout_of(options.get("finish_timeout"), "finish_timeout"),
        queue=defaults.queue if queue is None else check_name(queue, "The queue"),
        priority=check_priority(options.get("priority", 0)),
        isolation=isolation_of(options.get("isolation")),
        on_failure=on_failure_id,
        failure_of=failure_of,
    )
    if definition.isolation and definition.is_async:
        raise DefinitionError(
            "A function that runs in a process of its own is `async def`.",
            remedy="Write it as `def`: it has the process to itself and may block.",
        )
    return definition


def check_callable(id: str, callable: object) -> None:
    """Whether something can be a function: callable with one argument, the context, and no generator.

    Raises:
        DefinitionError: it can't.
    """
    if inspect.isclass(callable) or not is_callable(callable):
        raise DefinitionError(
            f"{id!r} decorates {callable!r}, which is no function.",
            remedy="Put the decorator, with its arguments in parentheses, on a `def` or `async def`.",
        )
    if isinstance(callable, Function):
        raise DefinitionError(
            f"{id!r} decorates the function {callable.key!r} once more.",
            remedy='Give one decorator several triggers: on=["order/created", "order/changed"].',
        )
    if inspect.isgeneratorfunction(callable) or inspect.isasyncgenfunction(callable):
        raise DefinitionError(
            f"{id!r} decorates a generator, which nobody would iterate over.",
            remedy="Return a value instead of yielding.",
        )
    try:
        inspect.signature(callable).bind(None)  # type: ignore[arg-type]
    except ValueError:
        return  # a builtin without a signature
    except TypeError:
        raise DefinitionError(
            f"{id!r} decorates a function that can't be called with one argument.",
            remedy="Give it one parameter, the context: `async def process_order(ctx: bgjobs.Context)`.",
        ) from None
