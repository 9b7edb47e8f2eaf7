"""A committer that records operations and answers as told: it keeps no runs, so it is no stand-in for Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bgjobs.broker.model import OK, Answer
from bgjobs.broker.operations import Operation

Answering = Callable[[Operation], Answer | None]


class RecordingCommitter:
    """Every operation that an executor committed, by verb letter (see `broker.operations`)."""

    def __init__(self, answer: Answering | None = None) -> None:
        self.operations: list[Operation] = []
        self.answer = answer
        self._changed = asyncio.Event()

    def commit(self, operation: Operation) -> Awaitable[Answer]:
        self.operations.append(operation)
        self._changed.set()
        answer = self.answer(operation) if self.answer is not None else None
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        # Not at once: a real answer takes a round trip.
        asyncio.get_running_loop().call_soon(lambda: future.done() or future.set_result(answer or OK))
        return future

    def of(self, *letters: str) -> list[Operation]:
        """The operations with these verb letters."""
        return [operation for operation in self.operations if operation[0] in letters]

    @property
    def letters(self) -> str:
        """The verbs in the order they came."""
        return "".join(operation[0] for operation in self.operations)

    async def until(self, condition: Callable[[], Any], timeout: float = 5.0) -> None:
        """Wait until `condition` holds, looked at after every operation."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()
