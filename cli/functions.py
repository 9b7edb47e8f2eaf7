"""`bgjobs functions`: what is registered; invoke, remove, move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .connection import Connection, connection
from .function_moves import move_runs, remove_function
from .options import DURATION, shared_options
from .output import block, compact, fields, heading, json_text, show, table
from .times import length
from .values import DATA

if TYPE_CHECKING:
    from ..broker.inspect.apps import AppInfo
    from ..broker.inspect.workers import WorkerInfo


@click.group()
def functions() -> None:
    """Functions, as workers registered them."""


@functions.command("list")
@click.option("--app", "wanted", metavar="APP", help="Only of this app.")
@shared_options
def list_(wanted: str | None) -> None:
    """List functions: what starts them, and how many workers have them."""
    apps, workers = _registered(connection())
    told = [
        {
            "key": f"{app.id}/{id}",
            "id": id,
            "app": app.id,
            "workers": _workers_with(workers, app.id, id),
            "definition": definition,
        }
        for app in apps
        if wanted in (None, app.id)
        for id, definition in sorted(app.registry.definitions.items())
    ]

    def draw() -> None:
        rows = [
            [
                entry["key"],
                compact(triggers(entry["definition"]), 60),
                str(entry["definition"].get("queue", "default")),
                str(entry["workers"]) if entry["workers"] else click.style("none", fg="red"),
                compact(entry["definition"].get("description", ""), 50),
            ]
            for entry in told
        ]
        empty = "No function is registered. Start a worker: bgjobs worker MODULE:APP"
        table(("function", "started by", "queue", "workers", ""), rows, empty=empty)

    show({"functions": told}, draw)


@functions.command("show")
@click.argument("function", metavar="APP/ID")
@shared_options
def show_(function: str) -> None:
    """Show the definition of a function, who has it, and what it has to do."""
    from ..broker.inspect.live import read_live

    here = connection()
    apps, workers = _registered(here)
    app, id = find_function(apps, function)
    definition = app.registry.definitions.get(id, {})
    live = here.ask(read_live(here.keys, here.patience(), app, f"{app.id}/{id}"))
    told = {
        "key": f"{app.id}/{id}",
        "id": id,
        "app": app.id,
        "retired": id in app.registry.retired,
        "workers": _workers_with(workers, app.id, id),
        "queued": len(live.queued),
        "running": len(live.running),
        "waiting": len(live.waiting),
        "definition": definition,
    }

    def draw() -> None:
        timeout = definition.get("timeout")
        fields(
            [
                ("function", told["key"] + ("  (retired)" if told["retired"] else "")),
                ("about", definition.get("description")),
                ("started by", triggers(definition) or "invocation only"),
                ("queue", str(definition.get("queue", "default"))),
                ("retries", str(definition["retries"]) if "retries" in definition else None),
                ("timeout", length(timeout) if timeout else None),
                ("on failure", definition.get("on_failure")),
                ("workers", str(told["workers"])),
                ("runs", f"{told['queued']} queued, {told['running']} running, {told['waiting']} waiting"),
            ]
        )
        heading("Definition")
        block(json_text(definition, indent=2))

    show(told, draw)


@functions.command()
@click.argument("function", metavar="APP/ID")
@click.argument("data", type=DATA, required=False)
@click.option("--id", metavar="ID", help="Repeating the request with the same id starts one run.")
@click.option("--delay", type=DURATION, help="How long to wait before it starts.")
@click.option("--wait", is_flag=True, help="Wait until it ends, and print what it returned.")
@click.option("--timeout", type=DURATION, help="Wait at most so long.")
@shared_options
def invoke(
    function: str, data: Any, id: str | None, delay: float | None, wait: bool, timeout: float | None
) -> None:
    """Start a function directly, with DATA (JSON) as its event's data."""
    here = connection()
    apps, _ = _registered(here)
    app, name = find_function(apps, function)
    handle = here.client.invoke(f"{app.id}/{name}", data, id=id, delay=delay)
    if wait or timeout is not None:
        result = handle.result(timeout)
        show({"run": handle.id, "result": result}, lambda: click.echo(json_text(result, indent=2)))
    else:
        show({"run": handle.id}, lambda: click.echo(f"{handle.id}  Follow it: bgjobs runs watch {handle.id}"))


@functions.command()
@click.argument("function", metavar="APP/ID")
@click.option("--force", is_flag=True, help="Also if it has live runs, which then wait for a worker that has it.")
@shared_options
def remove(function: str, force: bool) -> None:
    """Forget a function: events start it no more. What its runs left stays until it is trimmed."""
    here = connection()
    apps, workers = _registered(here)
    app, id = find_function(apps, function)
    left = remove_function(here, app, id, workers=_workers_with(workers, app.id, id), force=force)
    key = f"{app.id}/{id}"
    show(
        {"function": key, "live_runs": left},
        lambda: click.echo(f"{key} is forgotten." + (f" {left} live runs stay." if left else "")),
    )


@functions.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@shared_options
def move(old: str, new: str) -> None:
    """Give the queued and waiting runs of the function OLD, which no worker has any more, to the function NEW."""
    here = connection()
    apps, workers = _registered(here)
    app, id = find_function(apps, old)
    target, target_id = find_function(apps, new)
    moved = move_runs(here, (app, id), (target, target_id), workers=_workers_with(workers, app.id, id))
    show(
        {"from": f"{app.id}/{id}", "to": f"{target.id}/{target_id}", "moved": moved},
        lambda: click.echo(f"{moved} run{'s' * (moved != 1)} of {app.id}/{id} are now {target.id}/{target_id}'s."),
    )


def find_function(apps: list[AppInfo], name: str) -> tuple[AppInfo, str]:
    """The app and the id that a key, or an id that only one app has, stands for; also of a retired function.

    Raises:
        FunctionNotFound: none, or several.
    """
    from ..broker.errors import FunctionNotFound

    owner, slash, id = name.partition("/")
    places = [
        (app, id if slash else name)
        for app in apps
        if (app.id == owner if slash else True)
        and (id if slash else name) in {*app.registry.definitions, *app.registry.retired}
    ]
    if len(places) > 1:
        keys = ", ".join(f"{app.id}/{id}" for app, id in places)
        raise FunctionNotFound(f"{name!r} may be {keys}.", remedy="Say which, by its key.")
    if not places:
        raise FunctionNotFound(f"There is no function {name!r}.")
    return places[0]


def triggers(definition: dict[str, Any]) -> str:
    """What starts a function, in one line."""
    events = (
        each["name"] + (f" if {each['filter']}" if each.get("filter") else "") for each in definition.get("triggers", ())
    )
    crons = (
        f"cron {each['expression']}" + (f" {each['tz']}" if each.get("tz", "UTC") != "UTC" else "")
        for each in definition.get("cron", ())
    )
    failures = [f"failures of {definition['failure_of']}"] if definition.get("failure_of") else []
    return ", ".join([*events, *crons, *failures])


def _registered(here: Connection) -> tuple[list[AppInfo], list[WorkerInfo]]:
    from ..broker.inspect.apps import read_apps
    from ..broker.inspect.workers import read_workers

    apps = here.ask(read_apps(here.keys, here.patience()))
    return apps, here.ask(read_workers(here.keys, here.patience()))


def _workers_with(workers: list[WorkerInfo], app: str, id: str) -> int:
    """How many live workers have a function. One that does not tell is taken to have all of its app's."""
    own = [worker for worker in workers if worker.alive and worker.app == app]
    return sum(not worker.functions or id in worker.functions for worker in own)
