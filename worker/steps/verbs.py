"""The verbs by name, for code that runs in another thread or process and asks the event loop to carry them out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING, Any, cast

from ...broker import operations
from ..errors import StepMisuse
from .book import StepBook
from .invoke import invoke
from .run import begin, settle
from .send import send_event
from .sleep import sleep, sleep_until
from .wait import wait_for_event, wait_for_signal

if TYPE_CHECKING:
    from ..strands import ThreadStrands


async def fork(book: StepBook, strand: Hashable, branches: int) -> list[int]:
    """Start branches of a thread, which waits for them: their strands."""
    return cast("ThreadStrands", book.execution.strands).fork(cast("int", strand), branches)


async def end(book: StepBook, strand: Hashable) -> None:
    """A branch has ended."""
    cast("ThreadStrands", book.execution.strands).end(cast("int", strand))
    if book.waiting or book.parked:
        book.execution.watch.look_soon()


async def progress(book: StepBook, strand: Hashable, percent: Any, message: str) -> None:
    """Store how far the run is."""
    run = book.execution.run
    if isinstance(percent, bool) or not isinstance(percent, int | float) or percent != percent:
        raise StepMisuse(
            f"Progress is given as {percent!r}.", remedy='Give a number from 0 to 100: `ctx.progress(40, "page 4")`.'
        )
    await book.execution.commit(operations.progress(run, min(100.0, max(0.0, float(percent))), str(message)[:500]))


VERBS: dict[str, Callable[..., Awaitable[Any]]] = {
    verb.__name__: verb
    for verb in (
        begin,
        settle,
        sleep,
        sleep_until,
        wait_for_event,
        wait_for_signal,
        invoke,
        send_event,
        fork,
        end,
        progress,
    )
}
