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


class Part:
    """A group of verbs of its own name, such as `Client.schedules`; blocking."""

    def __init__(self, face: Face) -> None:
        self._requests = face._requests
        self._do = face._do


class AsyncPart:
    """A group of verbs of its own name, such as `AsyncClient.schedules`; on the event loop."""

    def __init__(self, face: AsyncFace) -> None:
        self._requests = face._requests
        self._do = face._do
