"""What this worker knows of the registry and of the waits, with the versions it was read at (R8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..broker.broker import Broker
from ..broker.inspect.registry import Interest, read_registry, read_versions
from ..define.matching import Matcher
from ..define.registry import Definition

_MOST_INTERESTS = 20_000  # names such as f"order/{id}/paid" are without end
_NO_INTEREST = Interest(version="", paths=())


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One reading of an app's registry."""

    matcher: Matcher
    star: str  # version of wildcard triggers
    versions: dict[str, str]  # event name -> version of its triggers
    queues: int  # queues the app's functions use
    plain: bool  # arrival order is all that matters: no priorities, no limits, nothing that looks at what else arrives


class Catalog:
    """Reads the registry once, and again when the ingest script finds it stale."""

    def __init__(self, broker: Broker, app: str) -> None:
        self._broker = broker
        self._app = app
        self._interests: dict[str, Interest] = {}
        self._knowledge: Knowledge | None = None

    @property
    def knowledge(self) -> Knowledge:
        if self._knowledge is None:
            raise RuntimeError("the registry has not been read")
        return self._knowledge

    @property
    def waited_for(self) -> bool:
        """Whether some event lately ingested has a name that runs wait for."""
        return bool(self._interests)

    async def read(self) -> Knowledge:
        """Read the app's registry."""
        registry = await read_registry(self._broker.client, self._broker.keys, self._app)
        definitions = [Definition.from_data(data) for data in registry.definitions.values()]
        self._knowledge = Knowledge(
            matcher=Matcher(definitions),
            star=registry.versions.pop("*", ""),
            versions=registry.versions,
            queues=len({definition.queue for definition in definitions}),
            plain=not any(each.priority or each.holds_back or each.decides_on_arrival for each in definitions),
        )
        return self._knowledge

    def interest(self, name: str) -> Interest:
        """Which paths of events of this name runs wait for, as far as it is known."""
        return self._interests.get(name, _NO_INTEREST)

    async def refresh(self, names: Iterable[str]) -> None:
        """Read the interest in these names anew, and the registry if the triggers of one of them have changed."""
        wanted, knowledge = list(names), self.knowledge
        client, keys = self._broker.client, self._broker.keys
        versions, interests = await read_versions(client, keys, self._app, wanted)
        if versions != {"*": knowledge.star} | {name: knowledge.versions.get(name, "") for name in wanted}:
            await self.read()
        if len(self._interests) > _MOST_INTERESTS:
            self._interests.clear()
        for name, interest in zip(wanted, interests, strict=True):
            if interest.version:
                self._interests[name] = interest
            else:
                self._interests.pop(name, None)
