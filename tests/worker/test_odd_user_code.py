"""User code that interrupts, exits, or raises what can't be printed: its own run fails, and the worker goes on."""

from pathlib import Path

import pytest

from bgjobs import Client, RunFailed
from tests.worker.real_worker import RealWorker


def failure(client: Client, function: str) -> str:
    """What a run of the function fails of."""
    with pytest.raises(RunFailed) as raised:
        client.invoke(function).result(timeout=20)
    assert raised.value.error is not None
    return f"{raised.value.error.type}: {raised.value.error.message}"


def test_odd_user_code_fails_its_own_run_only(tmp_path: Path, redis_url: str, namespace: str) -> None:
    """One process, which is the same at the end: KeyboardInterrupt in a task used to leave it alive and deaf."""
    worker = RealWorker(tmp_path, "odd:app", redis_url, namespace)
    try:
        before = worker.wait_until_ready().children()
        with Client(redis_url, namespace=namespace, app="odd") as client:
            for where in ("interrupts", "interrupts-in-step", "interrupts-in-thread", "interrupts-in-task"):
                assert failure(client, where).startswith("KeyboardInterrupt"), where
            assert "SystemExit: helper gave up" in failure(client, "exits-in-task")
            assert "can't be read" in failure(client, "unprintable")
            assert failure(client, "endless-message").endswith("...")
            told = client.invoke("loop-of-its-own").result(timeout=20)
            assert "'there' is called from a thread that has an event loop of its own" in told
            assert client.invoke("works").result(timeout=20) == "worked"
        assert worker.children() == before
        log = worker.text()
        assert "a task of a run raised SystemExit; the process goes on" in log
        assert "odd/unprintable failed for good" in log
        assert "could not be executed" not in log
        assert "characters left out" in log
        assert "\x1b" not in log
        assert len(log) < 100_000, "no error fills the log"
    finally:
        worker.stop()
