"""deploy/systemd: systemd understands the unit, and its commands exist."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from bgjobs.broker.durations import seconds
from bgjobs.cli.worker import worker

UNIT = Path(__file__).resolve().parents[2] / "deploy/systemd/bgjobs-worker.service"


def values(name: str) -> list[str]:
    """The values of a setting of the unit."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


@pytest.mark.systemd
def test_systemd_understands_it(tmp_path: Path) -> None:
    # The program has to be where the unit says; here it is elsewhere.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/shop/.venv/bin/bgjobs", "/bin/true"))
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_command_is_a_worker_that_gets_the_time_it_asks_for() -> None:
    program, name, *arguments = shlex.split(values("ExecStart")[0])
    assert (Path(program).name, name) == ("bgjobs", "worker")
    given = worker.make_context("worker", arguments).params
    assert given["target"] == "shop.jobs:app"
    assert given["processes"] == 4
    assert seconds(values("TimeoutStopSec")[0]) > given["shutdown_timeout"]


def test_the_password_reaches_the_worker_by_a_file_only() -> None:
    [credential] = values("LoadCredential")
    assert f"BGJOBS_REDIS_PASSWORD_FILE=%d/{credential.split(':')[0]}" in values("Environment")
    assert not any("@" in value for value in values("Environment"))


def test_a_wrong_command_line_is_not_tried_again_and_again() -> None:
    """Status 2 is what the command line answers to wrong usage and to definitions that can't be right."""
    assert values("RestartPreventExitStatus") == ["2"]
