"""How many runs this worker may hold, reserved before anyone asks Redis for them (R25)."""

from __future__ import annotations

import asyncio


class Capacity:
    """Slots for runs, shared by all who lease. Used on one event loop only."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._taken = 0  # held, or asked for
        self._asked = 0  # asked for by calls that are in flight
        self._freed = asyncio.Event()
        self._freed.set()

    @property
    def free(self) -> int:
        return self.total - self._taken

    @property
    def taken(self) -> int:
        """Runs held or asked for."""
        return self._taken

    @property
    def full(self) -> bool:
        """Whether every slot holds a run; slots that a call in flight has reserved may come back free."""
        return self._taken - self._asked >= self.total

    def reserve(self, most: int) -> int:
        """Take up to `most` slots; answers how many."""
        granted = max(0, min(most, self.free))
        self._taken += granted
        self._asked += granted
        if self.free <= 0:
            self._freed.clear()
        return granted

    def settle(self, reserved: int, used: int) -> None:
        """A call has come back: of the slots it had reserved, so many hold runs now."""
        self._asked -= reserved
        self.release(reserved - used)

    def release(self, count: int = 1) -> None:
        """Give slots back."""
        self._taken -= count
        if self.free > 0:
            self._freed.set()

    def hold(self) -> None:
        """Take a slot for something that is here already: it was released too early, or is left over from before."""
        self._taken += 1
        if self.free <= 0:
            self._freed.clear()

    async def wait(self) -> None:
        """Wait until a slot is free."""
        await self._freed.wait()
