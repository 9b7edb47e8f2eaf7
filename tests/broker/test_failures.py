"""What an exception means: executed, perhaps executed, or never."""

import pytest
from redis import exceptions as raised

from bgjobs.broker.errors import CommandRefused, RedisUnavailable
from bgjobs.broker.failures import Failure, classify
from bgjobs.broker.patience import Patience


@pytest.mark.parametrize(
    ("error", "sent", "failure"),
    [
        (raised.ConnectionError("refused"), False, Failure.UNREACHABLE),
        (raised.ConnectionError("Connection closed by server."), True, Failure.AMBIGUOUS),
        (raised.TimeoutError("Timeout reading from socket"), True, Failure.AMBIGUOUS),
        (TimeoutError("no reply"), True, Failure.AMBIGUOUS),
        (BrokenPipeError(), True, Failure.AMBIGUOUS),
        (raised.MaxConnectionsError("Too many connections"), False, Failure.UNREACHABLE),
        (raised.ConnectionError("max number of clients reached"), True, Failure.UNREACHABLE),
        (raised.BusyLoadingError("loading"), True, Failure.TRY_AGAIN),
        (raised.ReadOnlyError("replica"), True, Failure.TRY_AGAIN),
        (raised.OutOfMemoryError("command not allowed"), True, Failure.TRY_AGAIN),
        (raised.NoScriptError("No matching script"), True, Failure.TRY_AGAIN),
        (raised.ClusterDownError("down"), True, Failure.TRY_AGAIN),
        (raised.MasterDownError("down"), True, Failure.TRY_AGAIN),
        (raised.TryAgainError("later"), True, Failure.TRY_AGAIN),
        (raised.ResponseError("BUSY Redis is busy running a script."), True, Failure.TRY_AGAIN),
        (raised.ResponseError("MISCONF Redis is configured to save"), True, Failure.TRY_AGAIN),
        (raised.ResponseError("NOREPLICAS Not enough good replicas"), True, Failure.TRY_AGAIN),
        (raised.AuthenticationError("WRONGPASS"), False, Failure.FATAL),
        (raised.NoPermissionError("this user has no permissions"), True, Failure.FATAL),
        (raised.ResponseError("WRONGTYPE Operation against a key"), True, Failure.FATAL),
        (raised.ResponseError("unknown command"), True, Failure.FATAL),
        (ValueError("a bug"), True, Failure.FATAL),
    ],
)
def test_classification(error: BaseException, sent: bool, failure: Failure) -> None:
    assert classify(error, sent=sent) is failure


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_are_jittered_and_end_with_the_wait() -> None:
    clock = Clock()
    patience = Patience("redis://x", 5, monotonic=clock, random=lambda: 1.0)
    refused = raised.ConnectionError("refused")
    pauses: list[float] = []
    while clock.now < 105:
        pauses.append(patience.pause_after(refused, sent=False))
        clock.now += pauses[-1]
    with pytest.raises(RedisUnavailable) as error:
        patience.pause_after(refused, sent=False)
    assert pauses[:4] == pytest.approx([0.02, 0.04, 0.08, 0.16])
    assert max(pauses) <= 1.0
    assert sum(pauses) == pytest.approx(5)
    assert "redis://x did not answer within 5 s (refused)" in str(error.value)
    assert error.value.ambiguous is False
    assert error.value.exit_code == 3


def test_half_of_a_pause_is_random() -> None:
    low = Patience("x", 5, random=lambda: 0.0).pause_after(raised.ConnectionError(), sent=False)
    assert low == pytest.approx(0.01)


def test_what_may_have_been_executed_is_remembered() -> None:
    clock = Clock()
    patience = Patience("x", 1, monotonic=clock)
    patience.pause_after(raised.TimeoutError(), sent=True)
    clock.now += 2
    with pytest.raises(RedisUnavailable) as error:
        patience.pause_after(raised.ConnectionError(), sent=False)
    assert error.value.ambiguous is True


def test_what_waiting_does_not_cure_is_raised_at_once() -> None:
    with pytest.raises(CommandRefused, match="no permissions"):
        Patience("x", 5).pause_after(raised.NoPermissionError("this user has no permissions"), sent=True)
