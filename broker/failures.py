"""What a failed exchange with the server means: may it have been executed, and is it worth trying again?"""

from __future__ import annotations

from enum import StrEnum

from redis import exceptions as raised


class Failure(StrEnum):
    """How to go on after an error."""

    UNREACHABLE = "unreachable"  # nothing was executed, because there was no connection
    AMBIGUOUS = "ambiguous"  # sent, but no reply came: it may have been executed
    TRY_AGAIN = "try again"  # the server refused for now (loading, a replica, full ...): not executed
    FATAL = "fatal"  # waiting does not help


#: First words of error replies that pass by themselves or after reconnecting.
_PASSING = frozenset({"BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "TRYAGAIN", "UNBLOCKED"})
_PASSING_TYPES = (
    raised.BusyLoadingError,
    raised.ReadOnlyError,
    raised.OutOfMemoryError,
    raised.NoScriptError,
    raised.ClusterDownError,
    raised.TryAgainError,
    raised.AskError,  # MovedError too
)
_FATAL_TYPES = (
    raised.AuthenticationError,
    raised.AuthorizationError,
    raised.NoPermissionError,
    raised.DataError,
)


def classify(error: BaseException, *, sent: bool = True) -> Failure:
    """What an exception of redis-py (or of the socket under it) means.

    Args:
        error: the exception.
        sent: whether the command had been handed to a connection that was established.
    """
    if isinstance(error, _PASSING_TYPES):
        return Failure.TRY_AGAIN
    if isinstance(error, _FATAL_TYPES):
        return Failure.FATAL
    if isinstance(error, (raised.ConnectionError, raised.TimeoutError, OSError, raised.InvalidResponse)):
        if "max number of clients" in str(error):
            return Failure.UNREACHABLE
        return Failure.AMBIGUOUS if sent else Failure.UNREACHABLE
    if isinstance(error, raised.ResponseError) and str(error).partition(" ")[0] in _PASSING:
        return Failure.TRY_AGAIN
    return Failure.FATAL


def wants_new_connection(error: BaseException) -> bool:
    """Whether the connection leads to a server that is no longer the right one (a demoted primary)."""
    return isinstance(error, (raised.ReadOnlyError, raised.MasterDownError))


def described(error: BaseException) -> str:
    """The error in one phrase: its message, or its type if it has none."""
    return str(error).strip().rstrip(".") or type(error).__name__


def script_erred(error: BaseException) -> bool:
    """Whether a script met something it can't carry out: sent again as it is, it errs again."""
    return type(error) is raised.ResponseError and classify(error) is Failure.FATAL
