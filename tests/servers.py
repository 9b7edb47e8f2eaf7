"""The real server that the tests run against, chosen by BGJOBS_TEST_SERVER: `embedded` (default), `path`, or a URL."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import redis

from bgjobs.broker.server import EmbeddedServer, ServerBinary, binary_at, embedded_binary

CHOICE = os.environ.get("BGJOBS_TEST_SERVER", "embedded")
# Tests that move a server's clock or make it fail on purpose need DEBUG; a private server may have it.
SETTINGS = {"enable-debug-command": "yes"}


class ServerFactory(Protocol):
    """Starts further servers for one test, ended with it."""

    def __call__(self, folder: Path | None = None, *, tcp: bool = False, **settings: str) -> EmbeddedServer:
        """Start one; `appendonly="yes"` and so on are settings as in redis.conf, with `_` for `-`."""
        ...


def binary() -> ServerBinary:
    """The program for own servers; with a URL, the embedded one."""
    if CHOICE == "path":
        path = next((Path(d) / "redis-server" for d in os.get_exec_path() if (Path(d) / "redis-server").exists()), None)
        found = binary_at(path) if path is not None else None
    else:
        found = embedded_binary()
    if found is None:
        raise RuntimeError(f"BGJOBS_TEST_SERVER={CHOICE}: no such server program here")
    return found


def start(folder: Path | None = None, *, tcp: bool = False, **settings: str) -> EmbeddedServer:
    """Start an own server."""
    chosen = {name.replace("_", "-"): value for name, value in settings.items()}
    return EmbeddedServer(folder, binary=binary(), tcp=tcp, settings={**SETTINGS, **chosen}).start()


def unused_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def chosen_server() -> Iterator[str]:
    """The address of the server that the whole test session shares."""
    if CHOICE not in ("embedded", "path"):
        yield CHOICE
        return
    server = start()
    try:
        yield server.url
    finally:
        server.close()


def describe() -> str:
    """One line for the head of the report: version and allocator."""
    if CHOICE in ("embedded", "path"):
        return f"server: {binary()}"
    client = redis.Redis.from_url(CHOICE)
    info = client.info()
    client.close()
    kind, version = info.get("server_name", "redis"), info.get("valkey_version", info["redis_version"])
    return f"server: {kind} {version} ({info.get('mem_allocator', 'unknown')}) by BGJOBS_TEST_SERVER"
