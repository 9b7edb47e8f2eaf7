"""What everybody in a namespace must agree on: its shard count and the schema of its data (R5)."""

from __future__ import annotations

from .conversation import Talk, reliably
from .defaults import SCHEMA, SHARDS
from .errors import NamespaceMismatch
from .patience import Patience


def agree(conf: str, patience: Patience, *, shards: int = SHARDS, schema: int = SCHEMA) -> Talk[None]:
    """Write down what this side expects if nobody has; otherwise compare.

    Args:
        conf: the key of the namespace's configuration.
        patience: how long to wait for the server.
        shards, schema: what this side can work with.

    Raises:
        NamespaceMismatch: the namespace was created with something else.
    """
    stored = yield from reliably(patience, ("HMGET", conf, "shards", "schema"))
    if None in stored[0]:
        # HSETNX: of several that come first at the same time, one wins, and all see what it wrote.
        stored = yield from reliably(
            patience,
            ("HSETNX", conf, "shards", shards),
            ("HSETNX", conf, "schema", schema),
            ("HMGET", conf, "shards", "schema"),
        )
    for what, found, expected in zip(("shard count", "schema"), stored[-1], (shards, schema), strict=True):
        if found != b"%d" % expected:
            raise NamespaceMismatch(
                f"This namespace ({conf}) was created with {what} {found.decode('utf-8', 'replace')}, "
                f"but this process works with {expected}."
            )
