"""Lets finished things go, a little at a time (R47)."""

from __future__ import annotations

from ..broker.broker import Broker
from ..broker.defaults import (
    KEEP_CANCELLED_SECONDS,
    KEEP_COMPLETED_RUNS,
    KEEP_COMPLETED_SECONDS,
    KEEP_DEAD_LETTERS_SECONDS,
    KEEP_EVENTS,
    KEEP_EVENTS_SECONDS,
    KEEP_FAILED_SECONDS,
)
from ..broker.inspect.registry import read_registry
from ..broker.model import RunState
from ..broker.transitions import trim

EVERY = 30.0
_UNBOUNDED = 2**50


class Trimming:
    """One call per tick while there is work, then one every 30 s. Workers do not get in each other's way."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._functions: list[str] = []

    async def tick(self) -> float | None:
        """Trim once."""
        if not self._functions:
            self._functions = await self._all_functions()
        *_, more = await self._broker.do(
            trim(
                self._functions,
                history_ms=KEEP_EVENTS_SECONDS * 1000,
                history_max=KEEP_EVENTS,
                keep={
                    RunState.COMPLETED: (KEEP_COMPLETED_SECONDS * 1000, KEEP_COMPLETED_RUNS),
                    RunState.CANCELLED: (KEEP_CANCELLED_SECONDS * 1000, KEEP_COMPLETED_RUNS),
                    RunState.FAILED: (KEEP_FAILED_SECONDS * 1000, _UNBOUNDED),
                },
                letters_ms=KEEP_DEAD_LETTERS_SECONDS * 1000,
            )
        )
        if more:
            return 0.05
        self._functions = []
        return EVERY

    async def _all_functions(self) -> list[str]:
        keys: list[str] = []
        for raw in await self._broker.client.smembers(self._broker.keys("ap")):
            app = raw.decode()
            registry = await read_registry(self._broker.client, self._broker.keys, app)
            keys += (f"{app}/{function}" for function in (*registry.definitions, *registry.retired))
        return keys
