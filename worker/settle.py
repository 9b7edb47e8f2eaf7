"""Settles with Redis who holds what: after each lost reply, and every 30 s (R18)."""

from __future__ import annotations

import logging
import time

from ..broker.broker import Broker
from ..broker.defaults import RECONCILE_SECONDS
from ..broker.transitions import reconcile
from .committer import Committer
from .host import Host
from .lease_state import LeaseState

logger = logging.getLogger("bgjobs.worker")


class Settler:
    """Reconciles while no leasing call is in flight."""

    def __init__(self, broker: Broker, lease: LeaseState, host: Host, committer: Committer) -> None:
        self._broker = broker
        self._lease = lease
        self._host = host
        self._committer = committer
        self._settled_at = time.monotonic()

    async def tick(self) -> float | None:
        """Reconcile if a reply was lost, or if it is time."""
        if not self._lease.unsettled and time.monotonic() - self._settled_at < RECONCILE_SECONDS:
            return None
        if self._committer.troubled:
            return None  # what it still carries may be applied already, and would look as if it were lost
        async with self._lease.lock:
            call = reconcile(
                self._lease.incarnation, seq=self._lease.next(), held=self._host.held, waiting=self._host.waiting
            )
            released, lost, mail = await self._broker.do(call)
            self._lease.unsettled = False
            for run in lost:
                self._host.lost(run)
        self._settled_at = time.monotonic()
        if released or lost:
            logger.info(
                "settled: %d runs given back that no reply had brought, %d held without the right", released, len(lost)
            )
        for resolution in mail:
            self._host.resolved(resolution)
        self._committer.ask()
        return None
