"""Registered functions, and how many workers have each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..conversation import Talk
from ..keys import Keys
from ..patience import Patience
from .apps import read_apps
from .workers import read_workers


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionInfo:
    """A function as the registry holds it."""

    key: str  # "shop/process-order"
    id: str
    app: str
    version: str  # of the app, as the latest started worker that has it says; "" without one
    definition: Mapping[str, Any]
    workers: int  # that live, have it and read its queue


def read_functions(keys: Keys, patience: Patience, app: str | None = None) -> Talk[list[FunctionInfo]]:
    """Functions by key, of one app or of all; not those that are retired."""
    apps = yield from read_apps(keys, patience)
    workers = [worker for worker in (yield from read_workers(keys, patience)) if worker.alive]
    found = []
    for each in apps:
        if app not in (None, each.id):
            continue
        for name, definition in each.registry.definitions.items():
            queue = str(definition.get("queue", "default"))
            having = [worker for worker in workers if worker.app == each.id and worker.runs(name, queue)]
            found.append(
                FunctionInfo(
                    key=f"{each.id}/{name}",
                    id=name,
                    app=each.id,
                    version=having[-1].version if having else "",
                    definition=definition,
                    workers=len(having),
                )
            )
    return sorted(found, key=lambda function: function.key)
