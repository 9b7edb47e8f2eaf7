"""An app's functions as the executor needs them."""

from __future__ import annotations

import functools
from collections.abc import Callable

from ..define.app import App
from ..define.event import EventModel
from ..define.function import FunctionDefinition
from .isolation import IsolatedProcesses
from .metrics import WorkerMetrics
from .ports import LoadedFunction


def load_functions(app: App, metrics: WorkerMetrics, isolated: IsolatedProcesses) -> dict[str, LoadedFunction]:
    """All functions of the app, by id; `isolated` runs those that want a process of their own."""
    return {function.id: _load(function.definition, metrics, isolated) for function in app.functions.values()}


def _load(definition: FunctionDefinition, metrics: WorkerMetrics, isolated: IsolatedProcesses) -> LoadedFunction:
    isolation = definition.isolation
    return LoadedFunction(
        key=definition.key,
        call=definition.callable,
        is_async=definition.is_async,
        retries=definition.retries,
        backoff=definition.backoff,
        timeout=definition.timeout,
        isolation=isolated.function(isolation.memory) if isolation else None,
        event_model=_event_model(definition),
        metrics=metrics.function(definition.app, definition.id),
    )


def _event_model(definition: FunctionDefinition) -> Callable[[str], type[EventModel] | None] | None:
    """By event name, asked for every run: most functions have no typed events, and few names."""
    if all(trigger.model is None for trigger in definition.triggers):
        return None
    return functools.lru_cache(maxsize=1_000)(definition.event_model)
