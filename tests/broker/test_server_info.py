"""What kind of server it is, and whether it is fit; also where it tells little."""

from typing import Any

import pytest
import redis

from bgjobs.broker.connection import Endpoint
from bgjobs.broker.conversation import talk
from bgjobs.broker.errors import ServerTooOld, ServerUnsuitable
from bgjobs.broker.patience import Patience
from bgjobs.broker.server_info import ServerInfo, Severity, findings, read_server_info, require_fit
from bgjobs.broker.wire import SyncWire
from tests.servers import ServerFactory, binary


def read(url: str) -> ServerInfo:
    wire = SyncWire(Endpoint(url), timeout=2)
    try:
        return talk(read_server_info(Patience(url, 2)), wire)
    finally:
        wire.close()


def test_a_server_describes_itself(server_factory: ServerFactory) -> None:
    server = server_factory(appendonly="yes", maxmemory="100mb", maxmemory_policy="noeviction", appendfsync="always")
    info = read(server.url)
    assert info.name in str(binary())
    assert info.version_text in str(binary())
    assert (info.role, info.replicas, info.eviction_policy) == ("master", 0, "noeviction")
    assert (info.append_only, info.fsync, info.max_memory) == (True, "always", 100 * 1024 * 1024)
    assert info.used_memory is not None
    assert require_fit(info) == []


def _forbid(url: str, *rules: str) -> str:
    admin = redis.Redis.from_url(url)
    admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", *rules)
    admin.close()
    return url.replace("://", "://app:secret@")


@pytest.mark.parametrize("rules", [("-config",), ("-info",), ("-info", "-config")])
def test_where_info_and_config_are_forbidden(server_factory: ServerFactory, rules: tuple[str, ...]) -> None:
    """Managed services forbid CONFIG, and some INFO: then less is known, and that is said. HELLO can't be forbidden."""
    server = server_factory(tcp=True)
    info = read(_forbid(server.url, *rules))
    assert info.version_text in str(binary())
    assert (info.eviction_policy is None) is ("-info" in rules and "-config" in rules)
    assert all(finding.severity is Severity.WARNING for finding in require_fit(info))


@pytest.mark.parametrize(
    ("about", "error"),
    [
        ({"version": (6, 2, 14)}, ServerTooOld),
        ({"name": "valkey", "version": (7, 0)}, ServerTooOld),
        ({"version": (7, 0, 15), "eviction_policy": "allkeys-lru"}, ServerUnsuitable),
        ({"version": (7, 0, 15), "role": "slave"}, ServerUnsuitable),
    ],
)
def test_what_a_worker_refuses(about: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        require_fit(ServerInfo(**about))
    assert str(raised.value).endswith(findings(ServerInfo(**about))[0].remedy)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"eviction_policy": "volatile-lru"}, "deleted early"),
        ({"eviction_policy": "noeviction", "append_only": False, "snapshots": False}, "a restart loses everything"),
        ({"eviction_policy": "noeviction", "append_only": False, "snapshots": True}, "snapshots only"),
        ({}, "can't be read"),
    ],
)
def test_what_it_warns_of(about: dict[str, Any], words: str) -> None:
    (finding,) = require_fit(ServerInfo(version=(7, 2), **about))
    assert words in finding.what
    assert finding.remedy
