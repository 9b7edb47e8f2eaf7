"""`bgjobs apps`: the apps of a namespace."""

from __future__ import annotations

import click

from .connection import connection
from .options import shared_options
from .output import show, table
from .values import confirm


@click.group()
def apps() -> None:
    """Apps: sets of functions that are deployed together."""


@apps.command("list")
@shared_options
def list_() -> None:
    """List apps: their functions and workers, and how far each has read the events."""
    from ..broker.inspect.apps import read_apps
    from ..broker.inspect.workers import read_workers

    here = connection()
    found = here.ask(read_apps(here.keys, here.patience()))
    workers = here.ask(read_workers(here.keys, here.patience()))
    alive = {app.id: sum(worker.alive and worker.app == app.id for worker in workers) for app in found}
    told = [
        {
            "id": app.id,
            "functions": sorted(app.registry.definitions),
            "retired": sorted(app.registry.retired),
            "deployments": sorted(app.registry.deployments),
            "workers": alive[app.id],
            "lag": None if app.group is None else app.group.lag,
            "pending": None if app.group is None else app.group.pending,
        }
        for app in found
    ]

    def draw() -> None:
        rows = [
            [
                app.id,
                str(len(app.registry.definitions)),
                ",".join(sorted(app.registry.deployments)),
                str(alive[app.id]) if alive[app.id] else click.style("none", fg="red"),
                "-" if app.group is None or app.group.lag is None else str(app.group.lag),
                "-" if app.group is None else str(app.group.pending),
            ]
            for app in found
        ]
        columns = ("app", "functions", "deployments", "workers", "events to read", "being ingested")
        table(columns, rows, empty="No app was ever registered here. Start a worker: bgjobs worker MODULE:APP")

    show({"apps": told}, draw)


@apps.command()
@click.argument("id")
@click.option("--force", is_flag=True, help="Also if it has live runs, which are then cancelled.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@shared_options
def remove(id: str, force: bool, yes: bool) -> None:
    """Forget the app ID: its functions, its place in the event stream, its finished runs and dead letters.

    Refused while a worker of it runs, and while it has live runs. Events are kept: other apps read them.
    """
    from ..broker.errors import BgjobsError, NotFound
    from ..broker.inspect.apps import read_apps
    from ..broker.inspect.live import read_live
    from ..broker.inspect.workers import read_workers
    from ..broker.removal import forget_app

    here = connection()
    app = next((app for app in here.ask(read_apps(here.keys, here.patience())) if app.id == id), None)
    if app is None:
        raise NotFound(f"There is no app {id!r}.", remedy="Check the name: bgjobs apps list.")
    workers = here.ask(read_workers(here.keys, here.patience()))
    alive = [worker for worker in workers if worker.alive and worker.app == id]
    if alive:
        raise BgjobsError(f"The app {id!r} has {len(alive)} live worker(s).", remedy="Stop them first.")
    live = here.ask(read_live(here.keys, here.patience(), app))
    if live.count and not force:
        raise BgjobsError(
            f"The app {id!r} has {live.count:,} live runs.",
            remedy="Let them end, or cancel them all with --force.",
        )
    confirm(f"Forget the app {id!r}, its finished runs and its dead letters?", yes=yes)
    runs = [*live.queued, *live.waiting, *live.running]
    removed = here.ask(forget_app(here.keys, here.patience, app, runs))
    told = {"app": id, "cancelled": len(runs), "removed": removed}
    show(told, lambda: click.echo(f"Forgotten, with {removed:,} recorded runs ({len(runs):,} cancelled)."))
