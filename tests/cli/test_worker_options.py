"""What `bgjobs worker` understands, from the command line, the environment and pyproject.toml."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bgjobs.cli import main
from bgjobs.cli.options import DURATION, MEMORY, NAMES, PORT
from bgjobs.worker.options import WorkerOptions


def convert(kind: click.ParamType[object], value: str) -> object:
    return kind.convert(value, None, None)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (DURATION, "15", 15.0),
        (DURATION, "1h30m", 5400.0),
        (DURATION, "250ms", 0.25),
        (MEMORY, "1048576", 2**20),
        (MEMORY, "512M", 512 * 2**20),
        (MEMORY, "1.5GiB", int(1.5 * 2**30)),
        (MEMORY, "64 kb", 64 * 2**10),
        (NAMES, "a, b,,a", ("a", "b")),
        (NAMES, "", ()),
        (PORT, "0", 0),
        (PORT, "9464", 9464),
        (PORT, "off", -1),
    ],
)
def test_values(kind: click.ParamType[object], text: str, value: object) -> None:
    assert convert(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [(DURATION, "soon"), (DURATION, "-1"), (MEMORY, "much"), (MEMORY, "1.2.3M"), (MEMORY, "-5"), (PORT, "70000")],
)
def test_values_that_mean_nothing(kind: click.ParamType[object], text: str) -> None:
    with pytest.raises(click.BadParameter):
        convert(kind, text)


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "list[WorkerOptions]":
    """The options that a supervisor was made with; it is not run."""
    made: list[WorkerOptions] = []

    class Recorder:
        def __init__(self, options: WorkerOptions) -> None:
            made.append(options)

        def run(self) -> int:
            return 0

    monkeypatch.setattr("bgjobs.worker.supervisor.Supervisor", Recorder)
    monkeypatch.setattr("bgjobs.worker.logs.configure", lambda *_, **__: None)
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("BGJOBS_"):
            monkeypatch.delenv(name)
    return made


def test_defaults(chosen: list[WorkerOptions]) -> None:
    assert CliRunner().invoke(main, ["worker", "shop.jobs:app"]).exit_code == 0
    assert chosen == [WorkerOptions(target="shop.jobs:app")]


def test_argument_before_environment_before_pyproject_before_default(
    chosen: list[WorkerOptions], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.bgjobs]\nprocesses = 2\nconcurrency = 7\nqueues = ["a", "b"]\nmax-memory = "1G"\nlease_ttl = 20\n'
    )
    monkeypatch.setenv("BGJOBS_CONCURRENCY", "8")
    monkeypatch.setenv("BGJOBS_LOG_FORMAT", "json")
    result = CliRunner().invoke(main, ["worker", "x:app", "--processes", "3", "--redis", "redis://here"])
    assert result.exit_code == 0, result.output
    options = chosen[0]
    assert (options.processes, options.concurrency, options.queues) == (3, 8, ("a", "b"))
    assert (options.max_memory, options.lease_ttl, options.log_format) == (2**30, 20.0, "json")
    assert options.redis_url == "redis://here"


def test_shared_options_may_stand_before_or_after_the_command(chosen: list[WorkerOptions]) -> None:
    CliRunner().invoke(main, ["--namespace", "early", "worker", "x:app"])
    CliRunner().invoke(main, ["--namespace", "early", "worker", "x:app", "--namespace", "late"])
    assert [options.namespace for options in chosen] == ["early", "late"]


def test_a_wrong_value_is_a_usage_error_that_names_the_option(chosen: list[WorkerOptions]) -> None:
    result = CliRunner().invoke(main, ["worker", "x:app", "--lease-ttl", "soon"])
    assert result.exit_code == 2
    assert "--lease-ttl" in result.output
    assert "soon" in result.output
    assert not chosen


def test_a_mistyped_command_gets_a_suggestion() -> None:
    result = CliRunner().invoke(main, ["wroker"])
    assert result.exit_code == 2
    assert "Did you mean 'worker'?" in result.output


def test_the_list_of_commands_loads_none_of_them() -> None:
    code = """
import sys
from click.testing import CliRunner
from bgjobs.cli import main
assert CliRunner().invoke(main, ["--help"]).exit_code == 0
heavy = {"redis", "prometheus_client", "bgjobs.worker", "bgjobs.cli.worker"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_lease_that_any_hiccup_would_end_is_refused(chosen: list[WorkerOptions]) -> None:
    result = CliRunner().invoke(main, ["worker", "shop.jobs:app", "--lease-ttl", "100ms"])
    assert (result.exit_code, chosen) == (2, [])
    assert "'--lease-ttl': It is 100ms; at least 1 s are needed." in result.output
