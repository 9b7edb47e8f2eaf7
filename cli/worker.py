"""`bgjobs worker`: worker processes for production."""

from __future__ import annotations

import sys
from typing import Any

import click

from .options import shared_option, shared_options
from .worker_options import limits_of_processes, require_unix, worker_options


@click.command()
@click.argument("target")
@worker_options
@limits_of_processes
@shared_options
def worker(target: str, **given: Any) -> None:
    """Run the functions of TARGET, such as shop.jobs:app, in worker processes.

    SIGTERM or Ctrl-C lets runs end within --shutdown-timeout and hands the rest back; a second one stops at once.
    SIGHUP replaces the processes one by one by fresh ones, which have the code of now.
    """
    require_unix()
    from ..worker import logs
    from ..worker.options import WorkerOptions
    from ..worker.supervisor import Supervisor

    options = WorkerOptions(
        target=target,
        redis_url=shared_option("redis") or "",
        namespace=shared_option("namespace") or "",
        **given,
    )
    logs.configure(options.log_level, options.log_format, show_pid=options.processes > 1)
    sys.exit(Supervisor(options).run())
