"""How often a worker process looks for garbage in cycles."""

import gc
from collections.abc import Iterator

import pytest

from bgjobs.worker.garbage import look_seldom


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The settings of this process after the test."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


def test_python_defaults_become_seldom_looks_that_spare_what_was_loaded() -> None:
    """Garbage in cycles still goes."""
    gc.set_threshold(700, 10, 10)
    look_seldom()
    assert gc.get_threshold()[0] > 700
    assert gc.get_freeze_count() > 0
    assert gc.isenabled()


def test_what_the_user_chose_stays() -> None:
    """Thresholds of the user's own, or none at all."""
    frozen = gc.get_freeze_count()
    gc.set_threshold(500, 5, 5)
    look_seldom()
    assert gc.get_threshold() == (500, 5, 5)
    gc.set_threshold(700, 10, 10)
    gc.disable()
    look_seldom()
    assert gc.get_threshold() == (700, 10, 10)
    assert gc.get_freeze_count() == frozen
