"""`bgjobs queues`: what is ready in each; pause and resume."""

from __future__ import annotations

import click

from .connection import connection
from .options import shared_options
from .output import show, table
from .pauses import noted, tell
from .times import length


@click.group()
def queues() -> None:
    """Queues: how much is ready in each."""


@queues.command("list")
@shared_options
def list_() -> None:
    """List queues: ready runs, and how long the first has waited."""
    from ..broker.inspect.apps import read_apps
    from ..broker.inspect.queues import read_load

    here = connection()
    apps = here.ask(read_apps(here.keys, here.patience()))
    names = [queue for app in apps for queue in app.queues]
    load = here.ask(read_load(here.keys, here.patience(), queues=names, functions=()))
    pauses = {pause.queue: pause for pause in here.client.controls.pauses() if pause.queue}
    found = [
        {
            "name": queue.name,
            "ready": queue.ready,
            "oldest_seconds": queue.oldest_seconds,
            "suspects": queue.suspects,
            "paused": queue.name in pauses,
            "parked": pauses[queue.name].parked if queue.name in pauses else 0,
        }
        for queue in load.queues
    ]

    def draw() -> None:
        rows = [
            [
                queue.name,
                f"{queue.ready:,}",
                "-" if queue.oldest_seconds is None else length(queue.oldest_seconds),
                click.style(f"paused, {pauses[queue.name].parked:,} parked", fg="yellow")
                if queue.name in pauses
                else "",
            ]
            for queue in load.queues
        ]
        table(("queue", "ready", "oldest", ""), rows, empty="No queue has functions yet.")

    show({"queues": found}, draw)


@queues.command()
@click.argument("queue", metavar="APP:QUEUE")
@noted
@shared_options
def pause(queue: str, reason: str, actor: str | None) -> None:
    """Let no run of a queue start any more; those that run go on, new ones wait in their order."""
    changed = connection().client.controls.pause_queue(queue, reason=reason, actor=actor)
    tell(f"queue {queue}", changed, "paused")


@queues.command()
@click.argument("queue", metavar="APP:QUEUE")
@noted
@shared_options
def resume(queue: str, reason: str, actor: str | None) -> None:
    """Let the runs of a paused queue go on."""
    changed = connection().client.controls.resume_queue(queue, reason=reason, actor=actor)
    tell(f"queue {queue}", changed, "resumed")
