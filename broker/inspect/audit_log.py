"""Who changed what by hand, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..conversation import Talk, reliably
from ..keys import Keys
from ..patience import Patience
from ..run_info import moment
from ..validation import page_size


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change by hand."""

    id: str  # of the entry
    time: datetime | None
    actor: str  # who: user@host, or as given
    verb: str  # "pause", "resume", "set limit", "clear limit"
    what: str  # what it was done to
    detail: str  # the reason, or the new value


def read_audit_log(keys: Keys, patience: Patience, *, limit: int, before: str | None) -> Talk[list[AuditEntry]]:
    """Changes, the newest first.

    Args:
        keys: the namespace's keys.
        patience: how long to wait for the server.
        limit: at most so many, up to 1,000.
        before: id of the last entry of the page before.
    """
    end = "+" if before is None else f"({before}"
    page = (yield from reliably(patience, ("XREVRANGE", keys("au"), end, "-", "COUNT", page_size(limit))))[0]
    found = []
    for entry, flat in page:
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        actor, verb, what, detail = (
            fields.get(name, b"").decode("utf-8", "replace") for name in (b"a", b"v", b"w", b"d")
        )
        found.append(
            AuditEntry(
                id=entry.decode(), time=moment(fields.get(b"t")), actor=actor, verb=verb, what=what, detail=detail
            )
        )
    return found
