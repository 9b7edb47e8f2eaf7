"""Event-driven background jobs with durable steps, on the Redis you already run.

The public face. Names are loaded when first used, so that web code which only sends events loads neither the worker
nor the command line nor the metrics.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .broker.async_client import AsyncClient
    from .broker.bulk_cancel import CancelReport
    from .broker.bulk_retry import RetryReport
    from .broker.client import Client
    from .broker.errors import (
        BgjobsError,
        ConfigurationError,
        DeadLetterNotFound,
        DurabilityUnavailable,
        EventNotFound,
        EventTooLarge,
        FunctionNotFound,
        InvalidEvent,
        NotSerialisable,
        RedisUnavailable,
        ResultTimeout,
        RunCancelled,
        RunDropped,
        RunFailed,
        RunNotFound,
        ScheduleNotFound,
        UsageError,
    )
    from .broker.event import NewEvent
    from .broker.explanation import Explanation, Happening, Hold, Holder, HoldReason
    from .broker.handle import AsyncRunHandle, RunHandle
    from .broker.inspect.audit_log import AuditEntry
    from .broker.inspect.dead_letters import DeadLetter
    from .broker.inspect.events import EventInfo
    from .broker.inspect.functions import FunctionInfo
    from .broker.inspect.letter_groups import AffectedKey, DeadLetterGroup
    from .broker.inspect.limits import LimitInfo
    from .broker.inspect.pauses import PauseInfo
    from .broker.model import RunState
    from .broker.receipt import BulkReceipt, Receipt
    from .broker.run_info import ErrorInfo, Progress, RunInfo, StepInfo
    from .broker.scheduling import ScheduleInfo
    from .define.admission import Fairness, Singleton, Throttle
    from .define.app import App
    from .define.arrivals import Batch, CancelOn, Debounce, Idempotency, RateLimit
    from .define.errors import (
        DefinitionError,
        DuplicateFunction,
        EventValidationError,
        InvalidCron,
        InvalidDuration,
        InvalidExpression,
        InvalidName,
        MissingExtra,
        NonRetriable,
        RetryAfter,
        StepFailed,
        TargetError,
    )
    from .define.event import Event, EventModel
    from .define.function import Function
    from .define.policies import Backoff, Concurrency, ProcessIsolation
    from .define.trigger import Cron, Trigger, event
    from .worker.context import Context
    from .worker.sync_context import SyncContext

__all__ = [
    "AffectedKey",
    "App",
    "AsyncClient",
    "AsyncRunHandle",
    "AuditEntry",
    "Backoff",
    "Batch",
    "BgjobsError",
    "BulkReceipt",
    "CancelOn",
    "CancelReport",
    "Client",
    "Concurrency",
    "ConfigurationError",
    "Context",
    "Cron",
    "DeadLetter",
    "DeadLetterGroup",
    "DeadLetterNotFound",
    "Debounce",
    "DefinitionError",
    "DuplicateFunction",
    "DurabilityUnavailable",
    "ErrorInfo",
    "Event",
    "EventInfo",
    "EventModel",
    "EventNotFound",
    "EventTooLarge",
    "EventValidationError",
    "Explanation",
    "Fairness",
    "Function",
    "FunctionInfo",
    "FunctionNotFound",
    "Happening",
    "Hold",
    "HoldReason",
    "Holder",
    "Idempotency",
    "InvalidCron",
    "InvalidDuration",
    "InvalidEvent",
    "InvalidExpression",
    "InvalidName",
    "LimitInfo",
    "MissingExtra",
    "NewEvent",
    "NonRetriable",
    "NotSerialisable",
    "PauseInfo",
    "ProcessIsolation",
    "Progress",
    "RateLimit",
    "Receipt",
    "RedisUnavailable",
    "ResultTimeout",
    "RetryAfter",
    "RetryReport",
    "RunCancelled",
    "RunDropped",
    "RunFailed",
    "RunHandle",
    "RunInfo",
    "RunNotFound",
    "RunState",
    "ScheduleInfo",
    "ScheduleNotFound",
    "Singleton",
    "StepFailed",
    "StepInfo",
    "SyncContext",
    "TargetError",
    "Throttle",
    "Trigger",
    "UsageError",
    "__version__",
    "event",
]

#: Where each public name comes from; the imports above say the same to type checkers.
_HOMES = {
    "broker.async_client": ("AsyncClient",),
    "broker.bulk_cancel": ("CancelReport",),
    "broker.bulk_retry": ("RetryReport",),
    "broker.client": ("Client",),
    "broker.errors": (
        "BgjobsError",
        "ConfigurationError",
        "DeadLetterNotFound",
        "DurabilityUnavailable",
        "EventNotFound",
        "EventTooLarge",
        "FunctionNotFound",
        "InvalidEvent",
        "NotSerialisable",
        "RedisUnavailable",
        "ResultTimeout",
        "RunCancelled",
        "RunDropped",
        "RunFailed",
        "RunNotFound",
        "ScheduleNotFound",
        "UsageError",
    ),
    "broker.event": ("NewEvent",),
    "broker.explanation": (
        "Explanation",
        "Happening",
        "Hold",
        "HoldReason",
        "Holder",
    ),
    "broker.handle": (
        "AsyncRunHandle",
        "RunHandle",
    ),
    "broker.inspect.audit_log": ("AuditEntry",),
    "broker.inspect.dead_letters": ("DeadLetter",),
    "broker.inspect.events": ("EventInfo",),
    "broker.inspect.functions": ("FunctionInfo",),
    "broker.inspect.letter_groups": ("AffectedKey", "DeadLetterGroup"),
    "broker.inspect.limits": ("LimitInfo",),
    "broker.inspect.pauses": ("PauseInfo",),
    "broker.model": ("RunState",),
    "broker.receipt": (
        "BulkReceipt",
        "Receipt",
    ),
    "broker.run_info": (
        "ErrorInfo",
        "Progress",
        "RunInfo",
        "StepInfo",
    ),
    "broker.scheduling": ("ScheduleInfo",),
    "define.admission": ("Fairness", "Singleton", "Throttle"),
    "define.app": ("App",),
    "define.arrivals": (
        "Batch",
        "CancelOn",
        "Debounce",
        "Idempotency",
        "RateLimit",
    ),
    "define.errors": (
        "DefinitionError",
        "DuplicateFunction",
        "EventValidationError",
        "InvalidCron",
        "InvalidDuration",
        "InvalidExpression",
        "InvalidName",
        "MissingExtra",
        "NonRetriable",
        "RetryAfter",
        "StepFailed",
        "TargetError",
    ),
    "define.event": (
        "Event",
        "EventModel",
    ),
    "define.function": ("Function",),
    "define.policies": (
        "Backoff",
        "Concurrency",
        "ProcessIsolation",
    ),
    "define.trigger": (
        "Cron",
        "Trigger",
        "event",
    ),
    "worker.context": ("Context",),
    "worker.sync_context": ("SyncContext",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
