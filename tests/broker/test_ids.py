"""Ids are pure functions of names (R1), or unique, sorted by time and cheap."""

import multiprocessing
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.broker import ids
from bgjobs.broker.ids import EventIds, new_event_id

words = st.text(alphabet="abc/*:\x01", max_size=6)


@given(words, words, words, words)
def test_keys_collide_only_if_all_parts_are_equal(name: str, id: str, other_name: str, other_id: str) -> None:
    """R1: one id on two event names, or equal ids in two apps, never meet."""
    same = (name, id) == (other_name, other_id)
    assert (ids.event_key(name, id) == ids.event_key(other_name, other_id)) is same
    assert (ids.run_id(name, id) == ids.run_id(other_name, other_id)) is same


def test_a_run_id_names_its_shard() -> None:
    run = ids.run_id("shop/f", ids.event_key("order/created", "o1"))
    assert ids.is_run_id(run)
    assert ids.shard_of(run) == ids.ONLY_SHARD
    assert not ids.is_run_id(run + "0")
    assert not ids.is_run_id("")


def test_run_ids_never_change() -> None:
    """They are stored, and other languages compute them: docs/wire-format.md shows these very values."""
    assert ids.event_key("order/created", "o-1") == "11050768cd538a27134fbc36"
    assert ids.run_id("shop/process-order", "11050768cd538a27134fbc36") == "00527ea05bc102d2b4659e83d5"


def test_generated_ids_sort_by_time_and_tell_it() -> None:
    now = [1_700_000_000_000_000_000]
    make = EventIds(now_ns=lambda: now[0], random_bytes=lambda size: b"\x00" * size)
    made = []
    for _ in range(50):
        made += [make(), make()]
        now[0] += 1_000_000
    assert made == sorted(made)
    assert len(set(made)) == 100
    assert ids.generated_at_ms(made[0]) == 1_700_000_000_000
    assert ids.generated_at_ms(made[-1]) == 1_700_000_000_049


def test_a_clock_set_back_repeats_no_id() -> None:
    now = [1_700_000_000_000_000_000]
    make = EventIds(now_ns=lambda: now[0])
    made = [make() for _ in range(1000)]
    now[0] -= 5_000_000
    made += [make() for _ in range(1000)]
    assert len(set(made)) == 2000


def test_generated_ids_are_told_from_supplied_ones() -> None:
    assert ids.is_generated(new_event_id())
    assert len(new_event_id()) == 26
    for supplied in ("01JD3KZ5Q8X7H2M4K9X0000A1B", "01jd3kz5q8x7h2m4k9x0000a1b", "order-1", "", new_event_id() + "0"):
        assert not ids.is_generated(supplied)


def test_threads_get_different_ids() -> None:
    made: list[str] = []

    def work() -> None:
        made.extend([new_event_id() for _ in range(5_000)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 40_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_makes_other_ids() -> None:
    new_event_id()
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        made = pool.map(_make, range(4))
    mine = {new_event_id()[11:20]}
    assert mine.isdisjoint({other[11:20] for other in made})


def _make(_: int) -> str:
    return new_event_id()
