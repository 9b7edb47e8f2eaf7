"""An app: a set of functions deployed together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from ..broker.defaults import RETRIES
from ..broker.settings import Settings, check_given
from .errors import DefinitionError, DuplicateFunction, UsageError
from .function import (
    ON_FAILURE_SUFFIX,
    AnyFunction,
    Function,
    FunctionDefaults,
    FunctionDefinition,
    FunctionOptions,
    P,
    check_callable,
    define,
)
from .names import check_name
from .policies import Backoff, check_retries
from .verbs import Verbs

if TYPE_CHECKING:
    from ..broker.async_client import AsyncClient
    from ..broker.client import Client
    from .durations import Duration

R = TypeVar("R")


class App(Verbs):
    """A set of functions deployed together; one consumer group on the event stream.

    Args:
        id: its name within the namespace.
        version: shown in the registry; of two deployments' definitions of a function, the larger version's holds.
        deployment: name of this deployment, when the functions of one app are spread over several.
        redis: URL of the server; default: the setting `redis_url`.
        namespace: default: the setting `namespace`.
        retries: of its functions, where their decorators say nothing.
        backoff: of its functions, where their decorators say nothing.
        queue: of its functions, where their decorators say nothing.
        durability: of its sends, where the calls say nothing: "memory", "fsync" or "replicas=N".

    Raises:
        DefinitionError: one of them can't be used.
    """

    def __init__(
        self,
        id: str,
        *,
        version: str | None = None,
        deployment: str | None = None,
        redis: str | None = None,
        namespace: str | None = None,
        retries: int | None = None,
        backoff: Backoff | Duration | None = None,
        queue: str = "default",
        durability: str | None = None,
    ) -> None:
        self.id = check_name(id, "The app id")
        check_given(redis, namespace, durability)
        self._version = version
        self._deployment = deployment
        self._redis = redis
        self._namespace = namespace
        self._durability = durability
        self._defaults = FunctionDefaults(
            retries=RETRIES if retries is None else check_retries(retries),
            backoff=Backoff() if backoff is None else Backoff.of(backoff),
            queue=check_name(queue, "The queue"),
        )
        self._functions: dict[str, AnyFunction] = {}
        self._client: Client | None = None
        self._async_client: AsyncClient | None = None

    @property
    def version(self) -> str:
        """As given, or the setting `app_version`, or ""."""
        return Settings().text("app_version", self._version, "")

    @property
    def deployment(self) -> str:
        """As given, or the setting `deployment`."""
        return check_name(Settings().text("deployment", self._deployment, "default"), "The deployment")

    @property
    def namespace(self) -> str:
        """As given, or the setting `namespace`."""
        return Settings().namespace(self._namespace)

    @property
    def redis_url(self) -> str:
        """As given, or the setting `redis_url`. It may hold a password: never print it."""
        return Settings().redis_url(self._redis)

    @property
    def functions(self) -> Mapping[str, AnyFunction]:
        """Its functions by id, in the order of their definition."""
        return MappingProxyType(self._functions)

    def function(
        self, id: str | None = None, **options: Unpack[FunctionOptions]
    ) -> Callable[[Callable[P, R]], Function[P, R]]:
        """Register the decorated function. Without `on=` and `cron=` it runs only when it is invoked.

        Args:
            id: its name within the app; default: the callable's name with "-" for "_".
            on: event names (`order/*` for all with that beginning), EventModels, or `bgjobs.event(..., filter=...)`.
            cron: cron expressions, or `bgjobs.Cron("0 8 * * *", tz="Europe/Berlin")`.
            retries: attempts after the first, of the function and of each step; default: the app's.
            backoff: waits between attempts: a `bgjobs.Backoff`, or a duration for equal waits; default: the app's.
            timeout: longest time of one attempt, a duration; then the attempt has failed.
            start_timeout: longest time from queued to the first start, a duration; then the run has failed.
            finish_timeout: longest time from the first start to the end, sleeps included; then the run has failed.
            concurrency: a number, `bgjobs.Concurrency(...)`, or several of those that must all have room.
            singleton: "skip", "cancel" or `bgjobs.Singleton(mode, key=...)`: one run at a time; a further event is
                dropped, or ends the run and follows it.
            throttle: `bgjobs.Throttle(100, "1 minute")`: runs start at that rate; the others wait in order.
            fairness: a path such as "event.data.tenant", or `bgjobs.Fairness(path, window=8)`: its values take turns.
            idempotency: what makes two events the same, a path such as "event.data.order_id", or `bgjobs.Idempotency`:
                within 24 h, or its period, only the first starts a run.
            rate_limit: `bgjobs.RateLimit(10, "1 minute")`: events beyond it start no run, and are counted.
            debounce: `bgjobs.Debounce("5s")`: a run when no event came for that long, with the last one.
            batch: `bgjobs.Batch(100, "10s")`: a run for many events, which it finds in `ctx.events`.
            cancel_on: `bgjobs.CancelOn("order/cancelled", match="event.data.order_id")`: events that cancel its runs.
            queue: which workers run it (`bgjobs worker --queues`); default: the app's.
            priority: seconds by which its runs go ahead of their arrival, -600 to 600; or where the event has them:
                "event.data.urgency".
            on_failure: called with a context when a run failed for good; becomes the function "<id>.on-failure". Or a
                function of this app that has no `on_failure` itself.
            isolation: "process" or `bgjobs.ProcessIsolation(memory=...)`: each attempt in a child process; only `def`.

        Returns:
            The decorator.

        Raises:
            DefinitionError: at the decorator, says what is wrong and what to do.
        """
        if id is not None and not isinstance(id, str):
            raise DefinitionError(
                "@app.function stands without parentheses.", remedy="Write @app.function() or @app.function('an-id')."
            )

        def register(callable: Callable[P, R]) -> Function[P, R]:
            name = getattr(callable, "__name__", "") if id is None else id
            if id is None and name in ("", "<lambda>"):
                raise DefinitionError(
                    f"{callable!r} has no name of its own.", remedy='Give the function an id: @app.function("an-id").'
                )
            check_callable(str(name) or repr(callable), callable)
            function_id = name.replace("_", "-").strip("-") if id is None else id
            return self._register(function_id, callable, options)

        return register

    def _register(self, id: str, callable: Callable[P, R], options: FunctionOptions) -> Function[P, R]:
        if (other := self._functions.get(id)) is not None:
            place = other.definition.callable
            raise DuplicateFunction(
                f"The app {self.id!r} has a function {id!r} already: {place.__module__}.{place.__qualname__}."
            )
        handler = options.get("on_failure")
        try:
            handler_id = self._handler_id(id, handler)
            definition = define(self.id, id, callable, self._defaults, on_failure_id=handler_id, **options)
            function = Function(self, definition, callable)
            added: list[AnyFunction] = [function]
            if handler is not None and not isinstance(handler, Function):
                added.append(self._handler(definition, handler))
        except UsageError as error:
            # Where only the message is seen, as on the command line, it has to say which function is meant.
            error.what = f"Function {id!r}: {error.what}"
            raise
        self._functions.update({each.id: each for each in added})
        return function

    def _handler_id(self, id: str, handler: object) -> str | None:
        if not isinstance(handler, Function):
            return None if handler is None else id + ON_FAILURE_SUFFIX
        if handler.app is not self or handler.definition.on_failure is not None:
            raise DefinitionError(
                f"on_failure= of {id!r} is {handler.key!r}, which is of another app or has an on_failure= itself.",
                remedy="Give a plain function, or a function of this app without on_failure=.",
            )
        return handler.id

    def _handler(self, failing: FunctionDefinition, handler: Callable[..., Any]) -> AnyFunction:
        """The ordinary function that a plain `on_failure=` callable becomes (R46)."""
        handler_id = failing.id + ON_FAILURE_SUFFIX
        if handler_id in self._functions:
            raise DuplicateFunction(f"The app {self.id!r} has a function {handler_id!r} already.")
        check_callable(handler_id, handler)
        definition = define(self.id, handler_id, handler, self._defaults, failure_of=failing.id, queue=failing.queue)
        return Function(self, definition, handler)

    def client(self) -> Client:
        """The synchronous client of this app; one per app, safe in threads and after a fork."""
        from ..broker.client import Client  # not before it is needed: a worker has no use for it

        if self._client is None:
            self._client = Client(self._redis, namespace=self._namespace, app=self.id, durability=self._durability)
        return self._client

    def async_client(self) -> AsyncClient:
        """The asynchronous client of this app; one per app, for any event loop."""
        from ..broker.async_client import AsyncClient

        if self._async_client is None:
            self._async_client = AsyncClient(
                self._redis, namespace=self._namespace, app=self.id, durability=self._durability
            )
        return self._async_client

    def __repr__(self) -> str:
        return f"<bgjobs app {self.id}: {len(self._functions)} function{'' if len(self._functions) == 1 else 's'}>"
