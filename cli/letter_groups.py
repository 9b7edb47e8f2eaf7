"""How groups of dead letters are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .output import compact, short, table
from .times import ago

if TYPE_CHECKING:
    from ..broker.inspect.letter_groups import AffectedKey, DeadLetterGroup


def draw_groups(found: Sequence[DeadLetterGroup]) -> None:
    """Print a row per group."""
    rows = [
        [
            each.fingerprint or "-",
            str(each.count),
            each.function or "-",
            compact(f"{each.error_type}: {each.message}", 50),
            each.place or "-",
            ago(each.first),
            ago(each.last),
            "; ".join(_key(key) for key in each.keys) or "-",
        ]
        for each in found
    ]
    columns = ("fingerprint", "count", "function", "error", "place", "first", "last", "affected")
    table(columns, rows, empty="There are no such dead letters.")


def _key(key: AffectedKey) -> str:
    values = ", ".join(f"{short(value, 24)} ({count})" for value, count in key.values)
    return f"{key.path.removeprefix('event.').removeprefix('data.')}: {values}"
