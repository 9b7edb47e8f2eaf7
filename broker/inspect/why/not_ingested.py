"""What holds a run whose event is accepted and not ingested: its time, those before it, or a missing worker."""

from __future__ import annotations

from datetime import datetime

from ...conversation import Talk
from ...explanation import Hold, HoldReason
from ...run_info import moment
from ..not_yet import Coming
from ..workers import read_workers
from .facts import Asking


def explain_not_ingested(asking: Asking, coming: Coming) -> Talk[tuple[list[Hold], datetime | None]]:
    """What it waits for, and when its event is due, if it is delayed."""
    if coming.due_ms is not None:
        due = moment(coming.due_ms)
        return [Hold(reason=HoldReason.DELAYED, text="its event is delayed", due=due)], due
    app = coming.function.partition("/")[0]
    before = "" if coming.before is None else f"; {coming.before:,} events are read before it"
    holds = [Hold(reason=HoldReason.NOT_INGESTED, text=f"its event is not ingested yet{before}", ahead=coming.before)]
    workers = yield from read_workers(asking.keys, asking.patience)
    if not any(worker.alive and app in ("", worker.app) for worker in workers):
        text = f"no worker of {app} is alive" if app else "no worker is alive"
        holds.append(Hold(reason=HoldReason.NO_WORKER, text=text, name=app))
    return holds, None
