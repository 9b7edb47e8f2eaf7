"""Waits for the bells: this worker's own, and those of the queues while it has room (R24)."""

from __future__ import annotations

import asyncio
import contextlib

from ..broker.connection import AsyncRedis
from ..broker.keys import Keys
from ..broker.stream import wait_for_bell
from .capacity import Capacity
from .committer import Committer
from .lease_state import LeaseState

LOOK_SECONDS = 5.0  # how long to wait for the call that the own bell asks for


class BellWatch:
    """One blocking read at a time; a bell of a queue makes the committer lease, the own one makes it fetch the mail."""

    def __init__(
        self, blocking: AsyncRedis, keys: Keys, lease: LeaseState, capacity: Capacity, committer: Committer
    ) -> None:
        self._blocking = blocking
        self._own = keys.personal_bell(lease.incarnation)
        self._keys = keys
        self._lease = lease
        self._capacity = capacity
        self._committer = committer

    async def tick(self) -> float | None:
        """Wait for one token."""
        keys = [self._own]
        if self._lease.leasing and not self._capacity.full:
            keys += [self._keys.bell(queue) for queue in self._committer.bell_queues]
        rung = await wait_for_bell(self._blocking, keys)
        if rung is None:
            return None
        if rung == self._own:
            self._committer.poke()
            # What it finds may be one more queue to listen to. If Redis is away it takes longer than we wait.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._committer.looked.wait(), LOOK_SECONDS)
        else:
            self._committer.ask()
        return None
