"""The installed command as a shell sees it: what it loads, its exit status, what it says about mistakes."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest

from tests.cli.conftest import Shell

COMMAND = Path(sys.executable).with_name("bgjobs")
NOWHERE = "redis://127.0.0.1:1"


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BGJOBS_")}
    return subprocess.run([COMMAND, *words], env={**kept, **environ}, capture_output=True, text=True, timeout=60)


def loaded_by(*words: str) -> set[str]:
    code = (
        "import sys\n"
        "from bgjobs.cli import main\n"
        f"try: main({list(words)!r})\n"
        "except SystemExit: pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.split())


def test_help_lists_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in ("apps", "cron", "dev", "dlq", "doctor", "events", "functions", "runs", "schedules", "send"):
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("runs", "--help")])
def test_help_loads_neither_worker_nor_redis_nor_pydantic(words: tuple[str, ...]) -> None:
    heavy = {"pydantic", "redis", "prometheus_client", "croniter", "rich", "bgjobs.worker", "bgjobs.define"}
    assert not heavy & loaded_by(*words)


@pytest.mark.parametrize(
    "group", ["apps", "cron", "dlq", "doctor", "events", "functions", "runs", "schedules", "send", "signal", "workers"]
)
def test_every_command_explains_itself(group: str) -> None:
    assert "Usage: bgjobs" in run(group, "--help").stdout


def test_an_unreachable_server_is_status_3_and_two_lines() -> None:
    done = run("runs", "list", BGJOBS_REDIS_URL=NOWHERE, BGJOBS_TIMEOUT="0.2")
    assert done.returncode == 3
    assert done.stdout == ""
    what, remedy = done.stderr.splitlines()
    assert what.startswith("Error: Redis at redis://127.0.0.1:1 did not answer within 0.2 s")
    assert "BGJOBS_REDIS_URL" in remedy


def test_a_password_is_never_printed() -> None:
    done = run("doctor", "--redis", "redis://me:s3cret@127.0.0.1:1", "--verbose", BGJOBS_TIMEOUT="0.2")
    assert done.returncode == 3
    assert "me:***" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


def test_a_traceback_only_if_wanted() -> None:
    assert "Traceback" not in run("workers", "--redis", "nonsense").stderr
    assert "Traceback" in run("workers", "--redis", "nonsense", "--verbose").stderr
    assert "Traceback" in run("workers", "--redis", "nonsense", BGJOBS_DEBUG="1").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("wrokers",), "Did you mean 'workers'?"),
        (("runs",), "Usage: bgjobs runs"),
        (("runs", "show"), "Missing argument 'ID'"),
        (("send", "order/created", "{oops"), "is not JSON"),
        (("send", "order/created", "hello"), "Text needs quotes"),
        (("send", "order/created", "--delay", "soon"), "soon"),
        (("send", "order/created", "--at", "tomorrow"), "is not a time"),
        (("events", "reschedule", "x"), "either --delay or --at"),
        (("schedules", "create", "x", "--event", "a/b"), "either --cron or --every"),
        (("dlq", "purge"), "Say which"),
        (("dlq", "retry"), "Say which"),
        (("workers", "--redis", "nonsense"), "is not valid"),
    ],
)
def test_a_wrong_call_is_status_2(words: tuple[str, ...], said: str) -> None:
    done = run(*words, BGJOBS_REDIS_URL=NOWHERE, BGJOBS_TIMEOUT="0.2")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_shared_options_may_stand_before_or_after_the_command(redis_url: str, namespace: str) -> None:
    before = run("--redis", redis_url, "--namespace", namespace, "--json", "workers")
    after = run("workers", "--redis", redis_url, "--namespace", namespace, "--json")
    assert json.loads(before.stdout) == json.loads(after.stdout) == {"workers": []}


def test_empty_lists_say_what_to_do_without_disturbing_a_pipe(bgjobs: Shell) -> None:
    for words in (("workers",), ("apps", "list"), ("functions", "list")):
        answer = bgjobs(*words)
        assert answer.out == ""
        assert "Start a worker: bgjobs worker" in answer.err or "Start one: bgjobs worker" in answer.err


def on_terminal(*words: str, columns: int, **environ: str) -> str:
    """What a command prints on a terminal of that width."""
    screen, inner = os.openpty()
    done = subprocess.Popen(
        [COMMAND, *words], env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **environ}, stdout=inner
    )
    os.close(inner)
    seen = b""
    with suppress(OSError):  # Linux says so when the other end is closed
        while chunk := os.read(screen, 65_536):
            seen += chunk
    os.close(screen)
    assert done.wait(timeout=60) == 0
    return click.unstyle(seen.decode())


def test_a_terminal_gets_a_drawn_table_if_it_is_wide_enough(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    """The id can be copied whole in either case."""
    words = ("events", "list", "--redis", redis_url, "--namespace", namespace)
    sent = bgjobs("send", "order/created", "--json").json["event_id"]
    wide = on_terminal(*words, columns=160)
    assert "───" in wide
    assert sent in wide
    narrow = on_terminal(*words, columns=50)
    assert "───" not in narrow
    assert sent in narrow
