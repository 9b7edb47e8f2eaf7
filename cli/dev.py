"""`bgjobs dev`: everything on this machine, for development."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .options import shared_option, shared_options
from .worker_options import require_unix, worker_options


@click.command()
@click.argument("target")
@click.option(
    "--reload/--no-reload", default=True, show_default=True, help="Start anew when a Python file here changes."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".bgjobs"),
    show_default=True,
    help="Where the own server keeps its data, so that a restart loses nothing.",
)
@worker_options
@shared_options
def dev(target: str, reload: bool, data: Path, **given: Any) -> None:
    """Run the functions of TARGET, such as shop.jobs:app, with a Redis of its own, and start anew when the code
    changes.

    With --redis or BGJOBS_REDIS_URL that server is used instead of an own one. Prints a line per run with what it
    returned.
    """
    require_unix()
    from ..broker.connection import redacted
    from ..broker.server import dev_server
    from ..worker import logs
    from ..worker.options import WorkerOptions
    from ..worker.reload import code_watcher
    from ..worker.supervisor import Supervisor

    options = WorkerOptions(
        target=target,
        namespace=shared_option("namespace") or "",
        dev=True,
        shutdown_timeout=5.0,
        max_stall=0.0,  # a debugger stops the loop for as long as somebody thinks
        **given,
    )
    logs.configure(options.log_level, options.log_format)
    watch = code_watcher([Path.cwd()]) if reload else None
    with dev_server(shared_option("redis"), folder=data) as server:
        click.echo(f"Redis: {redacted(server.url)} ({server.source})")
        click.echo('Ctrl-C stops. In another terminal: bgjobs send NAME \'{"some": "data"}\'')
        status = Supervisor(replace(options, redis_url=server.url), watch_code=watch).run()
    sys.exit(status)
