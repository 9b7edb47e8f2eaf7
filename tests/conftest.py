"""Fixtures that every test may use: a real server, a namespace of its own, a plain client to look with."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio

from bgjobs.broker.server import EmbeddedServer
from tests import servers
from tests.needs import (
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_deselected,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_deselected",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]


def pytest_report_header() -> str:
    return servers.describe()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of the session's server."""
    with servers.chosen_server() as url:
        yield url


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A plain client, to look at what is stored; answers are bytes."""
    client = redis.asyncio.Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def server_factory() -> Iterator[servers.ServerFactory]:
    """Starts servers of the test's own, which it may kill, freeze and restart."""
    started: list[EmbeddedServer] = []

    def start(folder: Path | None = None, *, tcp: bool = False, **settings: str) -> EmbeddedServer:
        server = servers.start(folder, tcp=tcp, **settings)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()
