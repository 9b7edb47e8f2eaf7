"""The parent of worker processes: keeps them alive, sums their numbers, answers health checks. Runs no user code."""

from .supervisor import Supervisor

__all__ = ["Supervisor"]
