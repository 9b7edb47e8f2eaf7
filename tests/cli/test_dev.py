"""`bgjobs dev`: its own server, a line per run, reload, and a restart that loses nothing."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bgjobs import Client
from bgjobs.broker.server import running_server
from tests.waiting import until

JOBS = """
import bgjobs

app = bgjobs.App("mine")


@app.function("greet", on="greet")
async def greet(ctx: bgjobs.Context) -> str:
    return "{word} " + ctx.event.data["name"]


@app.function("later", on="later")
async def later(ctx: bgjobs.Context) -> str:
    await ctx.step.sleep("wait", 2)
    return "woken"
"""


class Dev:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs = folder / "jobs.py"
        self.jobs.write_text(JOBS.format(word="hello"))
        self.log = folder / "out.log"
        self.log.touch()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Client:
        already = self.text().count("is ready")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bgjobs", "dev", "jobs:app", "--metrics-port", "off", "--start-at", "begin"],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.wait_ready(already + 1)
        found = running_server(self.folder / ".bgjobs")
        assert found is not None
        return Client(found.url, app="mine")

    def wait_ready(self, times: int) -> None:
        until(lambda: self.text().count("is ready") >= times, timeout=30, what=f"ready; log:\n{self.text()}")

    def text(self) -> str:
        return self.log.read_text()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)

    def kill(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        family = psutil.Process(self.process.pid).children(recursive=True)
        for each in (*family, self.process):
            each.kill()
        self.process.wait()


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    made = Dev(tmp_path)
    yield made
    made.kill()


def test_a_newcomer_sees_a_line_per_run_with_what_it_returned(dev: Dev) -> None:
    with dev.start() as client:
        run = client.send("greet", {"name": "ada"}).run_id("greet")
        assert client.result(run, timeout=20) == "hello ada"
        until(lambda: "mine/greet completed" in dev.text(), timeout=20)
        assert "-> 'hello ada'" in dev.text()
        assert "own" in dev.text()  # where the server came from
    assert dev.stop() == 0


def test_changed_code_is_used_and_broken_code_waited_out(dev: Dev) -> None:
    with dev.start() as client:
        dev.jobs.write_text("this is no python\n")
        until(lambda: "waiting for a change of the code" in dev.text(), timeout=20)
        assert "SyntaxError" in dev.text()
        dev.jobs.write_text(JOBS.format(word="bonjour"))
        dev.wait_ready(2)
        run = client.send("greet", {"name": "ada"}).run_id("greet")
        assert client.result(run, timeout=20) == "bonjour ada"
    assert dev.stop() == 0


def test_a_restart_loses_nothing(dev: Dev) -> None:
    with dev.start() as client:
        run = client.send("later").run_id("later")
        until(lambda: str(client.run(run).state) == "waiting", timeout=20)
    assert dev.stop() == 0
    with dev.start() as client:
        assert client.result(run, timeout=20) == "woken"
    assert dev.stop() == 0


def test_a_missing_extra_is_named() -> None:
    code = """
import sys
sys.modules["watchfiles"] = None
from bgjobs.cli import main
main(["dev", "jobs:app"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "bgjobs[dev]" in done.stderr
    assert "--no-reload" in done.stderr
