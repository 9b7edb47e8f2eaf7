"""The pool of daemon threads."""

import asyncio
import threading

import pytest

from bgjobs.worker.threads import ThreadCall, ThreadPool


async def test_gives_what_the_call_returns_or_raises() -> None:
    pool = ThreadPool()
    assert await pool.run(lambda: 5) == 5
    with pytest.raises(KeyError):
        await pool.run(lambda: {}["x"])


async def test_threads_are_reused_and_daemons() -> None:
    pool = ThreadPool()
    first = await pool.run(threading.current_thread)
    await asyncio.to_thread(lambda: None)
    assert first.daemon
    for _ in range(20):
        assert (await pool.run(threading.current_thread)) is not threading.main_thread()
    assert pool.busy <= 1


async def test_at_most_so_many_at_a_time_in_order_of_arrival() -> None:
    pool = ThreadPool(2)
    running, most, order = [0], [0], list[int]()
    lock = threading.Lock()

    def call(n: int) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            order.append(n)
        threading.Event().wait(0.005)
        with lock:
            running[0] -= 1

    await asyncio.gather(*(pool.run(lambda n=n: call(n)) for n in range(20)))  # type: ignore[misc]
    assert most[0] == 2
    assert sorted(order) == list(range(20))
    assert order[:2] in ([0, 1], [1, 0])


async def test_without_a_limit_each_call_runs_at_once() -> None:
    barrier = threading.Barrier(40, timeout=5)
    pool = ThreadPool()
    await asyncio.gather(*(pool.run(barrier.wait) for _ in range(40)))


async def test_a_call_that_was_given_up_counts_until_its_thread_is_free() -> None:
    """R20"""
    release = threading.Event()
    pool = ThreadPool()
    begun = threading.Event()
    call = ThreadCall(lambda: begun.set() or release.wait(5))
    task = asyncio.create_task(pool.result(call))
    assert await asyncio.to_thread(begun.wait, 5)
    call.give_up(TimeoutError())
    with pytest.raises(TimeoutError):
        await task
    assert pool.busy == 1
    release.set()
    await call.until_ended()


async def test_a_queued_call_that_nobody_waits_for_any_more_never_begins() -> None:
    release = threading.Event()
    pool = ThreadPool(1)
    first = asyncio.create_task(pool.run(release.wait))
    begun: list[int] = []
    second = asyncio.create_task(pool.run(lambda: begun.append(1)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    release.set()
    await first
    await pool.run(lambda: None)
    assert begun == []
