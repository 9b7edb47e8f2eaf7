"""The transitions as plain calls: what goes to a script and how its reply reads, without any socket.

`await broker.do(cancel(...))` and, in threads and command lines, `sync_broker.do(cancel(...))` share all of it.
"""

from .call import Call
from .control import cancel, delayed, discard, replay, schedule, signal, trim
from .controlling import pause, resume, set_limit
from .ingesting import ingest
from .lease import beat, delist, enlist, reconcile
from .pumping import pump
from .registering import Definition, cron_fire, register
from .removing import move_function, remove_app, remove_functions

__all__ = [
    "Call",
    "Definition",
    "beat",
    "cancel",
    "cron_fire",
    "delayed",
    "delist",
    "discard",
    "enlist",
    "ingest",
    "move_function",
    "pause",
    "pump",
    "reconcile",
    "register",
    "remove_app",
    "remove_functions",
    "replay",
    "resume",
    "schedule",
    "set_limit",
    "signal",
    "trim",
]
