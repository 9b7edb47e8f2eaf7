"""What bgjobs holds in Redis, as far as the harness counts or weighs it; broker/keys.py has every key."""

_PREFIX = "bgjobs:{default:00}:"

STREAM = _PREFIX + "ev"  # events
QUEUE = _PREFIX + "q:bench:default"  # ready runs
TIMERS = _PREFIX + "dl"  # sleeping runs, delayed events
WORKERS = _PREFIX + "wk"
BACKLOGS = _PREFIX + "bk:*"  # parked runs
WAITING = _PREFIX + "wt:*"
