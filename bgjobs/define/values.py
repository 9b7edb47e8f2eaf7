"""When two values of event data are the same (R31); told by the broker, whose scripts know values by their hashes."""

from __future__ import annotations

from ..broker.values import MISSING, Missing, same, tagged, value_hash

__all__ = ["MISSING", "Missing", "same", "tagged", "value_hash"]
