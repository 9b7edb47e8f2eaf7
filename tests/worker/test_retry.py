"""Back-off, as a pure function."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.define.policies import Backoff
from bgjobs.worker.retry import delay_after

MIDDLE = 0.5  # the chance that leaves the delay as it is


def test_the_default_is_5_s_doubled_up_to_an_hour() -> None:
    delays = [delay_after(failures, Backoff(), MIDDLE) for failures in range(1, 13)]
    assert delays == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_jitter_is_20_percent(chance: float, expected: float) -> None:
    assert delay_after(1, Backoff(), chance) == pytest.approx(expected)


def test_a_constant_back_off() -> None:
    assert [delay_after(n, Backoff.of("30s"), 0.9) for n in (1, 2, 50)] == [30, 30, 30]


@given(failures=st.integers(0, 10_000), factor=st.floats(1, 100), chance=st.floats(0, 1))
def test_never_negative_never_longer_than_the_longest(failures: int, factor: float, chance: float) -> None:
    backoff = Backoff(factor=factor)
    assert 0 <= delay_after(failures, backoff, chance) <= backoff.longest * 1.2
