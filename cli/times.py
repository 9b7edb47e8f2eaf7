"""Times as people read them: "3m ago", "in 2d", and the exact time where it matters."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def length(seconds: float) -> str:
    """A length of time with at most two units: "250ms", "12s", "3m 20s", "2d 4h"."""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    if left:
        parts.append(f"{left}s")
    return " ".join(parts[:2])


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """When something was or will be, seen from now; "-" if it is not known."""
    if moment is None:
        return "-"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    # The server's clock and this machine's differ a little.
    if abs(seconds) < 1:
        return "now"
    return f"{_short(seconds)} ago" if seconds > 0 else f"in {_short(-seconds)}"


def exact(moment: datetime | None) -> str:
    """The local time with its zone."""
    if moment is None:
        return "-"
    local = moment.astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


def clock(moment: datetime) -> str:
    """The local time of day, for lines that come one after another."""
    return f"{moment.astimezone():%H:%M:%S}"


def between(start: datetime | None, end: datetime | None) -> str:
    """How long something took; "-" if it is not known."""
    return "-" if start is None or end is None else length(max(0.0, (end - start).total_seconds()))


def _short(seconds: float) -> str:
    return length(seconds).split(" ")[0] if seconds >= 10 else f"{round(seconds)}s"
