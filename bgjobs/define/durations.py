"""Durations and moments. They live in the broker, since clients take them too; definitions find them here."""

from ..broker.durations import (
    LONGEST,
    Duration,
    InvalidDuration,
    Moment,
    aware,
    milliseconds,
    seconds,
    unix_time,
)

__all__ = ["LONGEST", "Duration", "InvalidDuration", "Moment", "aware", "milliseconds", "seconds", "unix_time"]
