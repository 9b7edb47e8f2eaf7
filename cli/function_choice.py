"""Finding registered functions by what people type, and telling what is known of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .connection import Connection

if TYPE_CHECKING:
    from ..broker.inspect.apps import AppInfo
    from ..broker.inspect.workers import WorkerInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A function that is, or was, registered."""

    app: AppInfo
    id: str
    workers: int  # live ones that have it and read its queue
    having: int  # live ones that have it

    @property
    def key(self) -> str:
        return f"{self.app.id}/{self.id}"

    @property
    def retired(self) -> bool:
        return self.id not in self.app.registry.definitions

    @property
    def definition(self) -> Mapping[str, Any]:
        """Empty if it is retired."""
        return self.app.registry.definitions.get(self.id, {})

    @property
    def triggers(self) -> str:
        """What starts it, in one line."""
        events = (
            each["name"] + (f" if {each['filter']}" if each.get("filter") else "")
            for each in self.definition.get("triggers", ())
        )
        crons = (
            f"cron {each['expression']}" + (f" {each['tz']}" if each.get("tz", "UTC") != "UTC" else "")
            for each in self.definition.get("cron", ())
        )
        failing = self.definition.get("failure_of")
        return ", ".join([*events, *crons, *([f"failures of {failing}"] if failing else [])])

    def told(self) -> dict[str, Any]:
        """The shape of `--json`."""
        return {
            "key": self.key,
            "id": self.id,
            "app": self.app.id,
            "retired": self.retired,
            "workers": self.workers,
            "definition": self.definition,
        }


def read_registered(here: Connection) -> list[Registered]:
    """Every function, also retired ones, by key."""
    from ..broker.inspect.apps import read_apps
    from ..broker.inspect.workers import read_workers

    apps = here.ask(read_apps(here.keys, here.patience()))
    workers = here.ask(read_workers(here.keys, here.patience()))
    return list(_all(apps, workers))


def find_function(functions: Sequence[Registered], name: str) -> Registered:
    """The function that a key stands for, or an id that only one app has.

    Raises:
        FunctionNotFound: none, or several.
    """
    from ..broker.errors import FunctionNotFound

    found = [each for each in functions if name in (each.key, each.id)]
    if len(found) > 1:
        keys = ", ".join(each.key for each in found)
        raise FunctionNotFound(f"{name!r} may be {keys}.", remedy="Say which, by its key.")
    if not found:
        raise FunctionNotFound(f"There is no function {name!r}.", remedy=_remedy(functions, name))
    return found[0]


def function_key(here: Connection, name: str | None) -> str | None:
    """The key of a function that was named by key, or by an id that only one app has. Raises FunctionNotFound."""
    return name if name is None or "/" in name else find_function(read_registered(here), name).key


def _remedy(functions: Sequence[Registered], name: str) -> str | None:
    from difflib import get_close_matches

    near = get_close_matches(name, [word for each in functions for word in (each.key, each.id)], n=1, cutoff=0.7)
    return f"Did you mean {near[0]}?" if near else None


def _all(apps: Sequence[AppInfo], workers: Sequence[WorkerInfo]) -> Iterator[Registered]:
    for app in apps:
        own = [worker for worker in workers if worker.alive and worker.app == app.id]
        for name in sorted({*app.registry.definitions, *app.registry.retired}):
            queue = str(app.registry.definitions.get(name, {}).get("queue", "default"))
            count = sum(worker.runs(name, queue) for worker in own)
            having = sum(worker.has(name) for worker in own)
            yield Registered(app=app, id=name, workers=count, having=having)
