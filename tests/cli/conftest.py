"""The `bgjobs` command in the test's own process, on the real server and the test's namespace."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from bgjobs import Client
from bgjobs.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass(frozen=True)
class Shell:
    """Runs commands; `settings` is their environment."""

    settings: dict[str, str]

    def __call__(self, *words: str, status: int = 0, stdin: str | None = None) -> Answer:
        """Run one, and see that it ends with `status`."""
        result = CliRunner().invoke(main, list(words), env=dict(self.settings), input=stdin, catch_exceptions=False)
        answer = Answer(result.exit_code, result.stdout, result.stderr)
        assert answer.status == status, f"{words}: {answer.status}\n{answer.out}\n{answer.err}"
        return answer

    async def go(self, *words: str, status: int = 0, stdin: str | None = None) -> Answer:
        """The same beside a worker on the running loop."""
        return await asyncio.to_thread(self, *words, status=status, stdin=stdin)


@pytest.fixture
def bgjobs(redis_url: str, namespace: str) -> Shell:
    return Shell({"BGJOBS_REDIS_URL": redis_url, "BGJOBS_NAMESPACE": namespace, "BGJOBS_DEBUG": ""})


@pytest.fixture
def client(redis_url: str, namespace: str) -> Iterator[Client]:
    with Client(redis_url, namespace=namespace, app="shop") as made:
        yield made
