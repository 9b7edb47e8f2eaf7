"""What every face of the clients stands on: the core's conversations, and a way to carry them out."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

from ..conversation import Talk
from ..requests import Requests

T = TypeVar("T")


class Face:
    """Blocks the calling thread."""

    _requests: Requests

    @abstractmethod
    def _do(self, verb: Talk[T]) -> T:
        """Carry out a conversation."""


class AsyncFace:
    """Runs on the event loop."""

    _requests: Requests

    @abstractmethod
    async def _do(self, verb: Talk[T]) -> T:
        """Carry out a conversation."""
