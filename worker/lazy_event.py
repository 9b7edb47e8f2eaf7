"""An event as expressions see it, without decoding what none of them asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..broker.codec import decode
from ..broker.model import IngestEvent


class LazyEvent(Mapping[str, Any]):
    """The event as expressions see it: `id`, `name`, `data`, `key`. Its data is decoded when it is first asked for."""

    __slots__ = ("_data", "_decoded", "_event", "_key")

    def __init__(self, event: IngestEvent, key: str | None) -> None:
        self._event = event
        self._key = key
        self._decoded = False
        self._data: Any = None

    def __getitem__(self, name: str) -> Any:
        match name:
            case "data":
                if not self._decoded:
                    self._data = decode(self._event.data)
                    self._decoded = True
                return self._data
            case "id":
                return self._event.id
            case "name":
                return self._event.name
            case "key":
                return self._key
            case _:
                raise KeyError(name)

    def __iter__(self) -> Any:
        return iter(("id", "name", "data", "key"))

    def __len__(self) -> int:
        return 4
