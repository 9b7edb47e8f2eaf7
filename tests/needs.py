"""Markers for what a test needs beyond wheels: deselected where that is missing, unless nothing may be missing.

`BGJOBS_TEST_ALL=1` (set by .ci/run) deselects nothing and turns a skipped or deselected test into a failed session.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ALL = os.environ.get("BGJOBS_TEST_ALL") == "1"
SLOW_TIMEOUT = 600  # seconds for a test marked slow_fault, instead of pyproject.toml's for all
LEFT_OUT = pytest.StashKey[Counter[str]]()


def _on_path(*names: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(name) for name in names)


def _has_postgres() -> bool:
    return bool(shutil.which("postgres")) or any(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


NEEDS: dict[str, Callable[[], bool]] = {
    "debian_redis": _on_path("redis-server"),
    "node": _on_path("node"),
    "chromium": _on_path("chromium", "chromium-browser", "google-chrome"),
    "postgres": _has_postgres,
    "promtool": _on_path("promtool"),
    "systemd": _on_path("systemd-analyze"),
    "slow_fault": lambda: False,
}


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow_fault") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))
    if ALL:
        return
    asked_for = config.option.markexpr or ""
    missing = {marker for marker, present in NEEDS.items() if marker not in asked_for and not present()}
    kept, left_out = [], []
    for item in items:
        reasons = missing & {mark.name for mark in item.iter_markers()}
        config.stash[LEFT_OUT].update(reasons)
        (left_out if reasons else kept).append(item)
    if left_out:
        items[:] = kept
        config.hook.pytest_deselected(items=left_out)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    # With BGJOBS_TEST_ALL only -k, -m or --deselect get here.
    if items and ALL:
        items[0].config.stash[LEFT_OUT]["-k or -m"] += len(items)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    output = getattr(config, "workeroutput", None)
    if output is not None:  # a process of pytest-xdist: each collects everything, so the counts of all are the same
        output["left_out"] = dict(config.stash[LEFT_OUT])
        return
    if ALL and exitstatus == pytest.ExitCode.OK and (config.stash[LEFT_OUT] or _skipped(config)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    output = getattr(node, "workeroutput", None) or {}
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    config.stash[LEFT_OUT] = Counter(output.get("left_out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash[LEFT_OUT]
    if left_out:
        reasons = ", ".join(f"{count} {marker}" for marker, count in sorted(left_out.items()))
        terminalreporter.write_line(f"left out here, run by .ci/run: {reasons}")
    if ALL and (left_out or _skipped(config)):
        terminalreporter.write_line("BGJOBS_TEST_ALL=1: nothing may be skipped or deselected", red=True)


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter is not None else 0
