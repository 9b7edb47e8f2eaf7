"""What the demo plays on: a Redis server of its own, real `bgjobs worker` processes, and a place that tells the story.

Nothing here is needed to use bgjobs; look at `jobs.py` for that.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

import bgjobs
from bgjobs.broker.broker import SyncBroker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.server import dev_server

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
TARGET = "examples.shop.jobs:app"
LEASE_SECONDS = 3  # in production 15; here somebody is watching
PATIENCE = 60.0  # seconds until something that has to happen is taken to have failed


class DemoFailed(Exception):
    """Something did not happen, or was not true."""


class Stage:
    """A server, workers, a client, and the voice that tells what is seen."""

    def __init__(self, folder: Path, redis: str, client: bgjobs.Client) -> None:
        self.folder = folder
        self.redis = redis
        self.client = client
        self.commands: list[subprocess.Popen[bytes]] = []
        self._started = time.monotonic()

    # -- the story -------------------------------------------------------------------------------------------------

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        click.secho(f"\n{title}", bold=True)

    def tell(self, text: str) -> None:
        """Say what is seen, with the seconds since the start."""
        click.echo(f"  {time.monotonic() - self._started:5.1f} s  {text}")

    def check(self, claim: str, holds: bool, seen: object = None) -> None:
        """Say that something is so; the demo fails if it isn't.

        Raises:
            DemoFailed: it isn't; the message shows what was seen instead.
        """
        if not holds:
            raise DemoFailed(f"not so: {claim}; seen: {seen!r}")
        click.echo(f"  {click.style('✓', fg='green')} {claim}")

    def wait(self, what: str, condition: Callable[[], T | None]) -> T:
        """Wait until something is so.

        Raises:
            DemoFailed: it takes too long, or a worker command has ended.
        """
        deadline = time.monotonic() + PATIENCE
        while not (answer := condition()):
            if time.monotonic() > deadline:
                raise DemoFailed(f"not within {PATIENCE:.0f} s: {what}")
            if any(command.poll() is not None for command in self.commands):
                raise DemoFailed(f"a `bgjobs worker` command has ended while waiting: {what}")
            time.sleep(0.05)
        return answer

    # -- the workers -----------------------------------------------------------------------------------------------

    def start_worker(self, processes: int) -> list[int]:
        """Start one `bgjobs worker` command; returns the ids of its processes when they are ready."""
        before = set(self.processes())
        arguments = ["worker", TARGET, "--processes", str(processes), "--lease-ttl", f"{LEASE_SECONDS}s"]
        with (self.folder / f"worker-{len(self.commands) + 1}.log").open("wb") as log:
            self.commands.append(
                subprocess.Popen(
                    [sys.executable, "-m", "bgjobs", *arguments, "--metrics-port", "off"],
                    stdout=log,
                    stderr=log,
                    cwd=ROOT,
                    start_new_session=True,  # Ctrl-C is for us; we then stop the workers in order
                )
            )
        self.tell(f"pid {self.commands[-1].pid}: bgjobs {' '.join(arguments)}")
        new = self.wait("workers are ready", lambda: _enough(set(self.processes()) - before, processes))
        return sorted(new)

    def processes(self) -> dict[int, str]:
        """The worker processes that Redis knows: process id -> id of its incarnation."""
        return {worker["pid"]: worker["id"] for worker in self.bgjobs("workers")["workers"]}

    def bgjobs(self, *arguments: str) -> Any:
        """What a `bgjobs` command says, as data."""
        return json.loads(self.shown(*arguments, "--json"))

    def shown(self, *arguments: str) -> str:
        """What a `bgjobs` command prints.

        Raises:
            DemoFailed: it failed.
        """
        done = subprocess.run(
            [sys.executable, "-m", "bgjobs", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
        )
        if done.returncode != 0:
            raise DemoFailed(f"`bgjobs {' '.join(arguments)}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def logs(self) -> str:
        """The last lines that the workers logged."""
        tails = (path.read_text().splitlines()[-15:] for path in sorted(self.folder.glob("worker-*.log")))
        return "\n".join(line for tail in tails for line in tail)

    def stop_workers(self) -> None:
        """As a deployment would: SIGTERM, and wait until they have handed back what they held."""
        for command in self.commands:
            command.send_signal(signal.SIGTERM)
        for command in self.commands:
            with contextlib.suppress(subprocess.TimeoutExpired):
                command.wait(20)
            command.kill()

    def clean_up(self) -> None:
        """On a server that outlives the demo: leave nothing behind."""
        namespace = os.environ["BGJOBS_NAMESPACE"]
        broker = SyncBroker(Endpoint(self.redis), namespace)
        keys = list(broker.client.scan_iter(f"bgjobs:{{{namespace}[:}}]*", count=1_000))
        for key in keys:
            broker.client.unlink(key)
        broker.close()
        click.echo(f"The namespace {namespace} is removed again ({len(keys)} keys).")


def _enough(processes: set[int], wanted: int) -> set[int] | None:
    return processes if len(processes) >= wanted else None


@contextlib.contextmanager
def opened_stage() -> Iterator[Stage]:
    """A fresh stage; what it started is ended with this block."""
    with tempfile.TemporaryDirectory(prefix="bgjobs-demo-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        own_server = not os.environ.get("BGJOBS_REDIS_URL")
        server = stack.enter_context(dev_server(folder=folder / "redis"))
        os.environ["BGJOBS_REDIS_URL"] = server.url
        os.environ["BGJOBS_NAMESPACE"] = f"demo-{os.getpid()}"
        os.environ["SHOP_JOURNAL"] = str(folder / "shop.sqlite")
        client = stack.enter_context(bgjobs.Client(app="shop"))
        stage = Stage(folder, server.url, client)
        if not own_server:
            stack.callback(stage.clean_up)
        stack.callback(stage.stop_workers)
        click.echo(f"Redis: {server.source}")
        yield stage
