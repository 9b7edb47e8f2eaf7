"""What the leasing calls of one incarnation share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class LeaseState:
    """What leasing calls of one incarnation share: only one is in flight, each with a larger number (R18)."""

    incarnation: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    seq: int = 0
    unsettled: bool = False  # a reply was lost: reconcile before the next leasing call
    leasing: bool = True  # false once a stop was requested, or the lease is lost

    def next(self) -> int:
        self.seq += 1
        return self.seq
