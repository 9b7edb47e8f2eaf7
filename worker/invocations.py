"""Which functions of the namespace steps may invoke, and the child run that an invoke makes (R32)."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

from ..broker import ids
from ..broker.broker import Broker
from ..broker.codec import encode
from ..broker.errors import FunctionNotFound
from ..broker.inspect.registry import read_registry
from ..broker.model import LeasedRun
from ..broker.operations import invoke_spec
from ..broker.validation import INVOKE, data_size
from ..define.app import App
from ..define.arriving import policies_of
from ..define.limiter import limiter_references
from ..define.priority import priority_ms
from ..define.registry import Definition


class NamespaceFunctions:
    """Knows this app's functions from its code, and those of other apps from their registries, read now and then."""

    def __init__(self, app: App, broker: Broker) -> None:
        self._app = app
        self._broker = broker
        self._own = {function.key: function for function in app.functions.values()}
        self._elsewhere: dict[str, Definition] = {}

    async def read(self) -> None:
        """Read the registries of all apps."""
        found: dict[str, Definition] = {}
        for raw in await self._broker.client.smembers(self._broker.keys("ap")):
            registry = await read_registry(self._broker.client, self._broker.keys, raw.decode())
            for data in registry.definitions.values():
                definition = Definition.from_data(data)
                found[definition.key] = definition
        self._elsewhere = found

    async def read_on(self) -> None:
        """`read`, as a loop's turn."""
        await self.read()

    def prepare(self, function: Any, data: Any, *, run: LeasedRun, step: str, leave: bool) -> tuple[Sequence[Any], Any]:
        """See `ports.Invocations.prepare`."""
        key = self._key(function)
        definition, annotation = self._find(key)
        packed = encode(data, "data")
        data_size(INVOKE, packed)
        # A replay from the failed step must not find the child that failed (R44).
        event_id = f"{run.id}:{step}:{run.replay}" if run.replay else f"{run.id}:{step}"
        seen = {"id": event_id, "name": INVOKE, "data": data, "key": None}
        spec = invoke_spec(
            child=ids.run_id(key, ids.event_key(INVOKE, event_id)),
            function=key,
            queue=definition.queue_key,
            limiters=limiter_references(definition, seen),
            priority_ms=priority_ms(definition, seen),
            event_id=event_id,
            data=packed,
            leave=leave,
            policies=policies_of(definition, seen, invoked=True),
        )
        return spec, annotation

    def _key(self, function: Any) -> str:
        name = function if isinstance(function, str) else getattr(function, "key", "")
        return name if "/" in name else ids.function_key(self._app.id, name)

    def _find(self, key: str) -> tuple[Definition, Any]:
        own = self._own.get(key)
        if own is not None:
            return own.definition.as_data(), _returned(own.definition.callable)
        definition = self._elsewhere.get(key)
        if definition is None:
            raise FunctionNotFound(f"No function {key!r} is registered in this namespace.")
        return definition, Any


def _returned(callable: Any) -> Any:
    try:
        return typing.get_type_hints(callable, include_extras=True).get("return", Any)
    except Exception:
        return Any  # names that exist only for type checkers
