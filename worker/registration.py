"""Tell the registry what this deployment of the app has (R9)."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection

from ..broker.broker import Broker
from ..broker.errors import UsageError
from ..broker.transitions import register
from ..define.app import App
from ..define.registering import registered

logger = logging.getLogger("bgjobs.worker")


def stamp(version: str, started_us: int) -> str:
    """What orders two registrations: the app's version, numbers by value, then the supervisor's start."""
    parts = re.findall(r"\d+|[^\d.]+", version)
    key = ".".join(part.zfill(12) if part.isdigit() else part for part in parts)
    return f"{key} {started_us:020d}"


def served_queues(app: App, wanted: Collection[str]) -> tuple[str, ...]:
    """The queues whose runs a worker executes: those that it is told to, or all of the app's functions.

    Raises:
        UsageError: no function of the app is in any of those that it is told to serve.
    """
    there = {function.definition.queue for function in app.functions.values()}
    unknown = sorted(set(wanted) - there)
    if unknown:
        what = f"No function of the app {app.id} is in the queue {', '.join(unknown)}."
        remedy = f"Its queues are: {', '.join(sorted(there)) or 'none'}."
        if len(unknown) == len(set(wanted)):
            raise UsageError(what, remedy=remedy)
        logger.warning("%s %s", what, remedy)
    return tuple(sorted(there & set(wanted) if wanted else there))


async def register_app(app: App, broker: Broker, *, deployment: str, started_us: int, start_at: str) -> None:
    """Register all functions of the app, and create its group on the stream if it has none."""
    now_ms = await broker.now_ms()
    accepted, changed, retired, at, why = await broker.do(
        register(
            app.id,
            deployment=deployment,
            stamp=stamp(app.version, started_us),
            definitions=registered((function.definition for function in app.functions.values()), now_ms),
            start_at=start_at,
        )
    )
    if at:
        logger.info("app %s reads events from %s: %s", app.id, {"0": "the beginning", "$": "now on"}.get(at, at), why)
    if not accepted:
        logger.info(
            "app %s, deployment %s was registered by a worker started later (or of a larger version): that holds",
            app.id,
            deployment,
        )
    elif changed or retired:
        noun = "function" if changed == 1 else "functions"
        logger.info("app %s: %d %s registered, %d retired", app.id, changed, noun, retired)
