"""What kind of server this is, and whether it is fit for the purpose. Works where INFO or CONFIG are forbidden."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.exceptions import AuthenticationError

from .conversation import Talk, reliably
from .errors import CommandRefused, ServerTooOld, ServerUnsuitable
from .patience import Patience

OLDEST = {"redis": (7, 0), "valkey": (7, 2)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """A server as it describes itself; None is what it does not tell."""

    name: str = "redis"  # or "valkey"
    version: tuple[int, ...] | None = None
    role: str | None = None  # "master" or "slave"
    replicas: int | None = None  # connected
    eviction_policy: str | None = None
    max_memory: int | None = None  # bytes; 0: no limit
    used_memory: int | None = None  # bytes
    append_only: bool | None = None
    fsync: str | None = None  # "always", "everysec", "no"
    snapshots: bool | None = None  # whether RDB snapshots are scheduled
    allocator: str | None = None

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version)) if self.version else "(unknown version)"

    @property
    def can_wait_for_disk(self) -> bool:
        """Whether it has WAITAOF."""
        return self.version is not None and self.version >= (7, 2)


class Severity(StrEnum):
    """How bad a finding is."""

    WARNING = "warning"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about a server that its operator should know."""

    severity: Severity
    what: str
    remedy: str
    error: type[ServerTooOld] | type[ServerUnsuitable] = ServerUnsuitable  # what a worker refuses with


def read_server_info(patience: Patience) -> Talk[ServerInfo]:
    """Ask the server about itself. Raises RedisUnavailable."""
    info = _fields((yield from _tolerantly(patience, ("INFO",))))
    config: dict[str, str] = {}
    for name in ("maxmemory-policy", "appendonly", "appendfsync", "save"):
        reply = yield from _tolerantly(patience, ("CONFIG", "GET", name))
        if isinstance(reply, list) and len(reply) == 2:
            config[name] = _text(reply[1])
    name, version = info.get("server_name", "redis"), info.get("valkey_version") or info.get("redis_version")
    if version is None:
        name, version = _from_hello((yield from _tolerantly(patience, ("HELLO",))))
    append_only = info.get("aof_enabled") or {"yes": "1", "no": "0"}.get(config.get("appendonly", ""))
    return ServerInfo(
        name=name,
        version=_numbers(version),
        role=info.get("role"),
        replicas=_number(info.get("connected_slaves")),
        eviction_policy=info.get("maxmemory_policy") or config.get("maxmemory-policy"),
        max_memory=_number(info.get("maxmemory")),
        used_memory=_number(info.get("used_memory")),
        append_only=None if append_only is None else append_only == "1",
        fsync=config.get("appendfsync"),
        snapshots=None if "save" not in config else bool(config["save"]),
        allocator=info.get("mem_allocator"),
    )


def findings(info: ServerInfo) -> list[Finding]:
    """What speaks against this server, the worst first."""
    found: list[Finding] = []
    oldest = OLDEST.get(info.name, OLDEST["redis"])
    if info.version is not None and info.version < oldest:
        what = f"{info.name} {info.version_text} is too old."
        found.append(
            Finding(severity=Severity.REFUSED, what=what, remedy=ServerTooOld.default_remedy, error=ServerTooOld)
        )
    policy = info.eviction_policy or ""
    if policy.startswith("allkeys-"):
        found.append(
            _refused(
                f"maxmemory-policy is {policy}: under memory pressure the server would delete accepted work.",
                ServerUnsuitable.default_remedy,
            )
        )
    if info.role == "slave":
        found.append(_refused("This server is a replica: it accepts no writes.", "Connect to the primary."))
    if policy.startswith("volatile-"):
        found.append(
            _warning(
                f"maxmemory-policy is {policy}: records with a time to live may be deleted early.",
                "Set `maxmemory-policy noeviction`.",
            )
        )
    if not policy:
        found.append(
            _warning(
                "The eviction policy can't be read, because INFO and CONFIG are forbidden.",
                "Make sure that it is `noeviction`.",
            )
        )
    if info.append_only is False:
        if info.snapshots is False:
            what = "The server keeps nothing on disk: a restart loses everything."
        else:
            what = "The server keeps snapshots only: a restart loses what came after the last one."
        found.append(_warning(what, "Set `appendonly yes`."))
    return found


def require_fit(info: ServerInfo) -> list[Finding]:
    """Refuse a server on which accepted work could be lost; return the warnings.

    Raises:
        ServerTooOld: older than Redis 7.0 or Valkey 7.2.
        ServerUnsuitable: its configuration, or a replica.
    """
    found = findings(info)
    for finding in found:
        if finding.severity is Severity.REFUSED:
            raise finding.error(finding.what, remedy=finding.remedy)
    return found


def _refused(what: str, remedy: str) -> Finding:
    return Finding(severity=Severity.REFUSED, what=what, remedy=remedy)


def _warning(what: str, remedy: str) -> Finding:
    return Finding(severity=Severity.WARNING, what=what, remedy=remedy)


def _tolerantly(patience: Patience, command: tuple[str, ...]) -> Talk[Any]:
    """The reply, or None if the server forbids the command."""
    try:
        replies = yield from reliably(patience, command)
    except CommandRefused as refused:
        if isinstance(refused.__cause__, AuthenticationError):
            raise  # wrong password: that is not about this command
        return None
    return replies[0]


def _fields(reply: Any) -> dict[str, str]:
    if not isinstance(reply, bytes):
        return {}
    lines = (line.partition(":") for line in _text(reply).splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in lines if colon}


def _from_hello(reply: Any) -> tuple[str, str | None]:
    if not isinstance(reply, list):
        return "redis", None
    told = dict(zip(reply[::2], reply[1::2], strict=False))
    return _text(told.get(b"server", b"redis")), _text(told.get(b"version", b"")) or None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if not text:
        return None
    parts = [int(part) for part in text.split(".") if part.isdigit()]
    return tuple(parts) or None
