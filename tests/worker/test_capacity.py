"""Slots for runs (R25)."""

import asyncio

from bgjobs.worker.capacity import Capacity


def test_reserved_slots_are_not_given_twice() -> None:
    """R25"""
    capacity = Capacity(5)
    assert capacity.reserve(3) == 3
    assert capacity.reserve(3) == 2
    assert capacity.reserve(3) == 0


def test_a_call_gives_back_what_it_did_not_use() -> None:
    capacity = Capacity(5)
    reserved = capacity.reserve(5)
    capacity.settle(reserved, 2)
    assert (capacity.free, capacity.taken) == (3, 2)


def test_full_means_held_not_asked_for() -> None:
    """A worker that stops listening while a call asks for all of its slots would be deaf to the bells."""
    capacity = Capacity(2)
    reserved = capacity.reserve(2)
    assert capacity.free == 0
    assert not capacity.full
    capacity.settle(reserved, 2)
    assert capacity.full
    capacity.release()
    assert not capacity.full


def test_a_slot_that_was_released_too_early_is_taken_back() -> None:
    capacity = Capacity(1)
    capacity.settle(capacity.reserve(1), 1)
    capacity.release()
    capacity.hold()
    assert capacity.full


async def test_waiting_for_a_free_slot() -> None:
    capacity = Capacity(1)
    capacity.settle(capacity.reserve(1), 1)
    waiting = asyncio.create_task(capacity.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    capacity.release()
    async with asyncio.timeout(5):
        await waiting
