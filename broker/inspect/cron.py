"""Cron entries of functions, and when they tick next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..conversation import Talk, reliably
from ..keys import Keys
from ..patience import Patience
from ..run_info import moment
from .apps import AppInfo

MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CronInfo:
    """One cron entry of a function."""

    function: str  # key
    expression: str  # "" if no registered function has it any more
    tz: str
    missed: str
    next: datetime | None


def read_cron(keys: Keys, patience: Patience, apps: list[AppInfo]) -> Talk[list[CronInfo]]:
    """The cron entries of these apps, the next to tick first. At most 10,000."""
    known = {
        (f"{app.id}/{name}", str(cron["key"])): cron
        for app in apps
        for name, definition in app.registry.definitions.items()
        for cron in definition.get("cron", ())
    }
    (flat,) = yield from reliably(patience, ("ZRANGE", keys("cr"), 0, MOST - 1, "WITHSCORES"))
    found = []
    for entry, tick in zip(flat[::2], flat[1::2], strict=True):
        function, _, key = entry.decode().partition("|")
        if function == "$":
            continue  # a schedule
        cron = known.get((function, key), {})
        found.append(
            CronInfo(
                function=function,
                expression=str(cron.get("expression", "")),
                tz=str(cron.get("tz", "UTC")),
                missed=str(cron.get("missed", "last")),
                next=moment(tick),
            )
        )
    return found
