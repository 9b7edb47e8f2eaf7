"""Fixtures for tests with real worker processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from bgjobs import Client
from tests.worker.real_worker import RealWorker


class StartWorker(Protocol):
    def __call__(self, target: str, *, url: str | None = None, **options: Any) -> RealWorker:
        """Start `bgjobs worker`; ends with the test."""
        ...


@pytest.fixture
def start_worker(tmp_path: Path, redis_url: str, namespace: str) -> Iterator[StartWorker]:
    started: list[RealWorker] = []

    def start(target: str, *, url: str | None = None, **options: Any) -> RealWorker:
        started.append(RealWorker(tmp_path, target, url or redis_url, namespace, **options))
        return started[-1]

    yield start
    for worker in started:
        worker.close()


@pytest.fixture
def client(redis_url: str, namespace: str) -> Iterator[Client]:
    with Client(redis_url, namespace=namespace) as made:
        yield made
