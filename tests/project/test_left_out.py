"""A test that can't run here is left out with one line; where nothing may be left out, that fails the session."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

def test_plain(): ...

@pytest.mark.slow_fault
def test_long(): ...

@pytest.mark.skipif("SKIP" in __import__("os").environ, reason="asked for")
def test_may_be_skipped(): ...
"""


def session(folder: Path, *flags: str, **environ: str) -> tuple[int, str]:
    """Run a session of its own: status and output."""
    (folder / "test_them.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  slow_fault\n  timeout\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BGJOBS_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.needs", "-p", "no:cacheprovider", *flags, str(folder)],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environ},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("flags", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_left_out_with_one_line(tmp_path: Path, flags: tuple[str, ...]) -> None:
    status, output = session(tmp_path, *flags)
    assert status == 0
    assert "left out here, run by .ci/run: 1 slow_fault" in output
    assert "2 passed" in output


@pytest.mark.parametrize("flags", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_nothing_is_left_out_when_all_is_asked_for(tmp_path: Path, flags: tuple[str, ...]) -> None:
    status, output = session(tmp_path, *flags, BGJOBS_TEST_ALL="1")
    assert status == 0
    assert "3 passed" in output
    assert "left out" not in output


@pytest.mark.parametrize(
    "flags", [("-k", "plain"), ("-m", "not slow_fault"), ("-p", "xdist", "-n", "2", "-k", "plain")], ids=str
)
def test_all_means_nothing_deselected(tmp_path: Path, flags: tuple[str, ...]) -> None:
    status, output = session(tmp_path, *flags, BGJOBS_TEST_ALL="1")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "nothing may be skipped or deselected" in output


@pytest.mark.parametrize("flags", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_all_means_nothing_skipped(tmp_path: Path, flags: tuple[str, ...]) -> None:
    status, output = session(tmp_path, *flags, BGJOBS_TEST_ALL="1", SKIP="1")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "nothing may be skipped or deselected" in output


def test_asked_for_by_marker_it_runs(tmp_path: Path) -> None:
    status, output = session(tmp_path, "-m", "slow_fault")
    assert status == 0
    assert "1 passed" in output
