"""The demo ends by itself, with status 0, and has shown what it is to show."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(180)
def test_the_demo_shows_what_it_says() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BGJOBS_", "DEMO_"))}
    done = subprocess.run(
        [sys.executable, "-m", "examples.shop.demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout

    assert len(re.findall(r"pid \d+: bgjobs worker examples\.shop\.jobs:app", told)) == 2
    assert re.search(r"step fulfil failed and is retried", told)
    assert "✓ the card was charged once" in told
    assert "✓ a barrier in two parallel steps was passed" in told
    killed = re.search(r"kill -9 (\d+)", told)
    assert killed
    assert not psutil.pid_exists(int(killed[1]))
    assert "✓ the run went on in another process" in told
    assert "in the dead letters: " in told
    assert "✓ the same run went on from its failed step" in told
    assert "bgjobs runs show " in told
    started = {int(pid) for pid in re.findall(r"pid (\d+)", told)}
    assert not [pid for pid in started if psutil.pid_exists(pid)]
