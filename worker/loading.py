"""An app's functions as the executor needs them."""

from __future__ import annotations

from ..define.app import App
from ..define.function import FunctionDefinition
from .metrics import WorkerMetrics
from .ports import LoadedFunction


def load_functions(app: App, metrics: WorkerMetrics) -> dict[str, LoadedFunction]:
    """All functions of the app, by id."""
    return {function.id: _load(function.definition, metrics) for function in app.functions.values()}


def _load(definition: FunctionDefinition, metrics: WorkerMetrics) -> LoadedFunction:
    return LoadedFunction(
        key=definition.key,
        call=definition.callable,
        is_async=definition.is_async,
        retries=definition.retries,
        backoff=definition.backoff,
        timeout=definition.timeout,
        event_model=definition.event_model,
        metrics=metrics.function(definition.app, definition.id),
    )
