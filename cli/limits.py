"""`bgjobs limits`: concurrency limits and throttles as they stand; set them at run time, or leave them to the code."""

from __future__ import annotations

import click

from .connection import connection
from .options import DURATION, shared_options
from .output import show, table
from .pauses import noted
from .times import ago


@click.group()
def limits() -> None:
    """Limits: what the code says, and what was set at run time."""


@limits.command("list")
@shared_options
def list_() -> None:
    """List limits: what holds, what the code says, and who set another."""
    found = connection().client.controls.limits()

    def draw() -> None:
        rows = [
            [
                limit.target,
                limit.value,
                ", ".join(f"{value} ({function})" for function, value in limit.code.items())
                if limit.conflict
                else next(iter(limit.code.values()), "-"),
                f"{limit.actor}, {ago(limit.since)}" if limit.overridden else "-",
                limit.reason or "-",
            ]
            for limit in found
        ]
        empty = "No registered function has a concurrency limit or a throttle."
        table(("limit", "holds", "code", "set by", "reason"), rows, empty=empty)

    show({"limits": found}, draw)


@limits.command("set")
@click.argument("limit", metavar="LIMIT")
@click.argument("value", metavar="NUMBER", type=int)
@click.option("--period", type=DURATION, help="Of a throttle; as it is, if omitted.")
@click.option("--burst", type=int, help="Of a throttle; as it is, if omitted.")
@noted
@shared_options
def set_(limit: str, value: int, period: float | None, burst: int | None, reason: str, actor: str | None) -> None:
    """Let NUMBER hold for LIMIT, named as in `bgjobs limits list`, until it is cleared or the code gives another."""
    controls = connection().client.controls
    changed = controls.set_limit(limit, value, period=period, burst=burst, reason=reason, actor=actor)
    show(changed, lambda: click.echo(f"{changed.target}  {changed.value}"))


@limits.command()
@click.argument("limit", metavar="LIMIT")
@noted
@shared_options
def clear(limit: str, reason: str, actor: str | None) -> None:
    """Let the code's value hold again for LIMIT."""
    cleared = connection().client.controls.clear_limit(limit, reason=reason, actor=actor)
    done = "is what the code says again." if cleared else "was what the code says already."
    show({"limit": limit, "cleared": cleared}, lambda: click.echo(f"{limit} {done}"))
