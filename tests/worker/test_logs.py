"""What log lines carry, in both forms, and that nothing is touched when bgjobs is embedded."""

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bgjobs.define.errors import StepFailed
from bgjobs.worker import log_context, logs
from bgjobs.worker.log_context import RunLogger, Where
from bgjobs.worker.logs import RunLog
from bgjobs.worker.steps.place import Place, current_place

users = logging.getLogger("shop.jobs")


@pytest.fixture
def root() -> Iterator[None]:
    """Give the root logger back as it was."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def text(root: None) -> io.StringIO:
    stream = io.StringIO()
    logs.configure("INFO", "text", stream=stream)
    return stream


@pytest.fixture
def lines(root: None) -> io.StringIO:
    stream = io.StringIO()
    logs.configure("DEBUG", "json", stream=stream)
    return stream


WHERE = Where(run="00abc", function="shop/process-order", attempt=2)


async def in_run(where: Where, *, step: str = "") -> None:
    log_context.enter(where)
    users.info("outside of steps")
    token = current_place.set(Place(where.run, step or "charge", 3))
    users.info("inside a step")
    await asyncio.to_thread(users.info, "in a thread")
    current_place.reset(token)
    users.info("outside again")


async def test_each_line_of_user_code_names_run_function_step_and_attempt(lines: io.StringIO) -> None:
    await asyncio.create_task(in_run(WHERE))
    users.info("no run at all")
    records = {record["message"]: record for record in map(json.loads, lines.getvalue().splitlines())}
    place = {"run": "00abc", "function": "shop/process-order"}
    assert place.items() <= records["outside of steps"].items()
    assert records["outside of steps"]["attempt"] == 2
    assert "step" not in records["outside of steps"]
    for message in ("inside a step", "in a thread"):
        assert {**place, "step": "charge", "attempt": 3}.items() <= records[message].items()
    assert "step" not in records["outside again"]
    assert records["outside again"]["attempt"] == 2
    assert "run" not in records["no run at all"]


async def test_runs_side_by_side_are_not_mixed_up(lines: io.StringIO) -> None:
    wheres = [Where(run=f"00{n}", function="shop/f", attempt=1) for n in range(5)]
    await asyncio.gather(*(in_run(where, step=f"step-{where.run}") for where in wheres))
    for record in map(json.loads, lines.getvalue().splitlines()):
        if "step" in record:
            assert record["step"] == f"step-{record['run']}"


def test_text_lines_are_for_people(text: io.StringIO) -> None:
    users.warning("card %s declined", "4711", extra={"amount": 5, "why": "too much"})
    line = text.getvalue().rstrip()
    assert 'WARNING shop.jobs: card 4711 declined  amount=5 why="too much"' in line


def test_json_lines_carry_extras_and_exceptions(lines: io.StringIO) -> None:
    try:
        raise ValueError("no such card")
    except ValueError:
        users.exception("failed", extra={"customer": {"id": 1}, "unknown": object})
    record = json.loads(lines.getvalue())
    assert record["customer"] == {"id": 1}
    assert "ValueError: no such card" in record["exception"]
    assert record["level"] == "ERROR"
    assert record["time"].endswith("+00:00")


async def test_ctx_logger_carries_the_place_with_any_handler(caplog: pytest.LogCaptureFixture) -> None:
    """Embedded, the user's own handlers are in charge: the record itself has to know."""
    caplog.set_level(logging.INFO)

    async def run() -> None:
        log_context.enter(WHERE)
        RunLogger("shop/process-order").info("charged", extra={"amount": 5})

    await asyncio.create_task(run())
    record = caplog.records[-1]
    assert (record.run, record.attempt, record.amount) == ("00abc", 2, 5)  # type: ignore[attr-defined]
    assert record.name == "bgjobs.run.shop.process-order"


def test_dev_says_what_every_run_returned_and_worker_only_at_debug(text: io.StringIO) -> None:
    RunLog().completed("00abc", "shop/process-order", {"charge": 1}, 0.0123)
    assert text.getvalue() == ""
    RunLog(each_run=True).completed("00abc", "shop/process-order", {"charge": 1}, 0.0123)
    assert "shop/process-order completed in 12 ms -> {'charge': 1}" in text.getvalue()
    RunLog(each_run=True).completed("00abc", "shop/process-order", "x" * 10_000, 2.0)
    assert len(text.getvalue()) < 1_000


def test_failures_and_retries_are_always_said(text: io.StringIO) -> None:
    log = RunLog()
    log.retried("00abc", "shop/f", 1, ValueError("no stock"), 5.0)
    log.step_retried("00abc", "shop/f", "charge", 2, TimeoutError(), 0.5)
    log.failed("00abc", "shop/f", 5, ValueError("no stock"))
    log.lost("00abc", "shop/f")
    said = text.getvalue()
    assert "failed (attempt 1), next attempt in 5.0 s: ValueError: no stock" in said
    assert "step charge failed (attempt 2), next attempt in 500 ms: TimeoutError" in said
    assert "failed for good (attempt 5)" in said
    assert "the right to this run was lost" in said


def test_of_a_step_that_failed_for_good_the_log_shows_where_its_body_raised(text: io.StringIO) -> None:
    body = 'Traceback (most recent call last):\n  File "jobs.py", line 7, in charge\nValueError: no such card\n'
    RunLog().failed("00abc", "shop/f", 1, StepFailed("charge", {"type": "ValueError", "traceback": body}))
    assert text.getvalue().endswith(body)
    assert "Elsewhere" not in text.getvalue()


def test_importing_the_worker_leaves_logging_alone() -> None:
    code = """
import logging
import bgjobs.worker.process, bgjobs.worker.logs, bgjobs.worker.supervisor
assert not logging.getLogger().handlers and logging.getLogger().level == logging.WARNING
assert not logging.getLogger("bgjobs").handlers
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_users_data_must_not_do_to_a_terminal() -> None:
    record = logging.makeLogRecord({"msg": "red \x1b[31m\x00\x07, a line\nand a\ttab"})
    assert logs.TextFormatter().format(record).endswith("red \\x1b[31m\\x00\\x07, a line\nand a\ttab")
