"""When recurring things are due. It lives in the broker, since clients check schedules too."""

from ..broker.timetable import (
    GRACE_MS,
    MISSED_CAP,
    MISSED_POLICIES,
    CronTimetable,
    Due,
    IntervalTimetable,
    InvalidCron,
    MissedPolicy,
    Timetable,
    cron_timetable,
    due_ticks,
    find_zone,
    interval_timetable,
)

__all__ = [
    "GRACE_MS",
    "MISSED_CAP",
    "MISSED_POLICIES",
    "CronTimetable",
    "Due",
    "IntervalTimetable",
    "InvalidCron",
    "MissedPolicy",
    "Timetable",
    "cron_timetable",
    "due_ticks",
    "find_zone",
    "interval_timetable",
]
