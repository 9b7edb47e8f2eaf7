"""The watchdog with real loops that are really blocked."""

import asyncio
import logging
import threading
import time

import pytest

from bgjobs.worker.watchdog import Watchdog
from tests.waiting import until_async


def hog(until_set: threading.Event) -> None:
    """Block the calling thread; its name has to appear in the report."""
    until_set.wait(10)


async def test_a_blocked_loop_is_reported_with_the_guilty_stack(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "bgjobs.worker.watchdog")
    watchdog = Watchdog(asyncio.get_running_loop(), report_after=0.2, max_stall=0, interval=0.05)
    watchdog.start()
    reported = threading.Event()

    def release() -> None:
        while not watchdog.stalls:
            time.sleep(0.01)
        reported.set()

    threading.Thread(target=release, daemon=True).start()

    async def guilty() -> None:
        hog(reported)

    await asyncio.get_running_loop().create_task(guilty(), name="run 00abc")
    await until_async(lambda: "goes on" in caplog.text)
    watchdog.stop()
    assert "hog(reported)" in caplog.text
    assert "run 00abc" in caplog.text
    assert caplog.text.count("is blocked for") == 1


async def test_a_loop_that_never_comes_back_ends_the_process() -> None:
    ended = threading.Event()
    watchdog = Watchdog(asyncio.get_running_loop(), report_after=0.1, max_stall=0.4, interval=0.05, end=ended.set)
    watchdog.start()
    hog(ended)
    watchdog.stop()
    assert ended.is_set()


async def test_a_busy_but_living_loop_is_left_alone() -> None:
    """Its signs of life come on time by a clock that stands still in between, however slow the machine."""
    now = [0.0]
    loop = asyncio.get_running_loop()
    watchdog = Watchdog(loop, report_after=1.0, max_stall=2.0, interval=0.01, end=lambda: None, clock=lambda: now[0])
    watchdog.start()
    for _ in range(20):
        now[0] += 0.5
        await until_async(lambda: watchdog._alive_at == now[0])
    watchdog.stop()
    assert watchdog.stalls == 0


async def test_a_process_that_stood_still_as_a_whole_is_not_ended(caplog: pytest.LogCaptureFixture) -> None:
    """After SIGSTOP and SIGCONT, or a C call that held the interpreter lock, no Python code is to blame."""
    caplog.set_level(logging.WARNING, "bgjobs.worker.watchdog")
    leap = [0.0]
    ended = threading.Event()
    watchdog = Watchdog(
        asyncio.get_running_loop(),
        report_after=1.0,
        max_stall=5.0,
        interval=0.05,
        end=ended.set,
        clock=lambda: time.monotonic() + leap[0],
    )
    watchdog.start()
    await until_async(lambda: watchdog._thread.is_alive())
    leap[0] = 600.0
    await until_async(lambda: "stood still" in caplog.text)
    watchdog.stop()
    assert not ended.is_set()
