"""The embedded server: restarted without loss, private, never left behind."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from bgjobs.broker.server import (
    EmbeddedServer,
    ServerBinary,
    ServerBusy,
    ServerFailed,
    binary_at,
    embedded_binary,
    running_server,
)
from bgjobs.broker.server.guard import SCRIPT
from tests.servers import ServerFactory, binary
from tests.waiting import until

# Starts a server on the folder given, says so, and goes on until its standard input ends; interrupts are only noted.
OWNER = """
import signal, sys
from pathlib import Path
from bgjobs.broker.server import EmbeddedServer
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
server = EmbeddedServer(Path(sys.argv[1])).start()
print(server.url, server.pid, flush=True)
sys.stdin.read()
server.close()
"""


@contextmanager
def owner_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Another process that runs a server on `folder`: the process, the server's address and process id."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    url, pid = process.stdout.readline().split()
    try:
        yield process, url, int(pid)
    finally:
        process.kill()
        process.communicate()


def connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def gone(pid: int) -> bool:
    """True if the process doesn't run; a zombie doesn't."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restart_loses_nothing(server_factory: ServerFactory, tmp_path: Path, end: str) -> None:
    """A clean end and a crash: what was answered is there again, at the same address."""
    server = server_factory(tmp_path / "data")
    with connect(server.url) as client:
        for number in range(500):
            client.rpush("kept", number)
        client.eval("redis.call('SET', 'a', 1) redis.call('SET', 'b', 2)", 0)
        getattr(server, end)()
        assert not server.pid
        server.start()
        assert client.lrange("kept", 0, -1) == [str(number) for number in range(500)]
        assert client.mget("a", "b") == ["1", "2"]


@pytest.mark.debian_redis
@pytest.mark.parametrize("order", [("path", "embedded"), ("embedded", "path")], ids="-then-".join)
def test_another_kind_of_server_goes_on_with_the_data(tmp_path: Path, order: tuple[str, str]) -> None:
    """Somebody installs redis-server later, or removes it: `.bgjobs/` stays readable."""
    kinds = {"path": binary_at(Path(shutil.which("redis-server") or "")), "embedded": embedded_binary()}
    for number, kind in enumerate(order):
        with EmbeddedServer(tmp_path, binary=kinds[kind]) as server, connect(server.url) as client:
            client.xadd("events", {"number": number})
            client.hset("run", str(number), "x" * 500)
            client.zadd("queue", {str(number): number})
            client.bgrewriteaof()
            until(lambda client=client: not client.info("persistence")["aof_rewrite_in_progress"])
            assert client.xlen("events") == client.hlen("run") == client.zcard("queue") == number + 1


def test_without_a_folder_nothing_stays() -> None:
    server = EmbeddedServer(binary=binary()).start()
    with connect(server.url) as client:
        assert client.config_get("appendonly") == {"appendonly": "no"}
        place = Path(client.config_get("unixsocket")["unixsocket"]).parent
    assert place.exists()
    server.close()
    assert not place.exists()


def test_it_refuses_to_forget_and_keeps_small_payloads_small(server_factory: ServerFactory) -> None:
    with connect(server_factory().url) as client:
        assert client.config_get("maxmemory-policy", "hash-max-listpack-value") == {
            "maxmemory-policy": "noeviction",
            "hash-max-listpack-value": "1024",
        }


def test_only_this_user_gets_in(server_factory: ServerFactory, tmp_path: Path) -> None:
    server = server_factory(tmp_path / "data")
    socket_path = Path(server.url.removeprefix("unix://"))
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_on_a_port_it_listens_on_the_loopback_interface_only(server_factory: ServerFactory) -> None:
    server = server_factory(tcp=True)
    with connect(server.url) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        before = server.url
        server.kill()
        server.start()
        assert server.url == before
        assert client.ping()


def test_a_long_temporary_folder_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's path has at most 103 bytes; macOS' own TMPDIR uses half of them."""
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with EmbeddedServer(binary=binary()) as server:
        assert len(server.url.removeprefix("unix://")) <= 103
        assert list(deep.iterdir()) == []


def test_a_second_server_on_the_folder_is_refused(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (process, url, _), pytest.raises(ServerBusy) as refused:
        EmbeddedServer(tmp_path, binary=binary()).start()
    assert str(process.pid) in refused.value.what
    assert url in refused.value.remedy
    assert refused.value.exit_code == 3


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Killed with -9, that process can clean up nothing; the next start goes on at once and without loss."""
    with owner_process(tmp_path) as (process, url, pid):
        with connect(url) as client:
            client.set("kept", "yes")
        os.kill(process.pid, signal.SIGKILL)
        with EmbeddedServer(tmp_path, binary=binary()) as server, connect(server.url) as client:
            assert gone(pid)
            assert client.get("kept") == "yes"
    until(lambda: not Path(url.removeprefix("unix://")).parent.exists())


def test_a_later_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    """The server crashed long ago, and its process id belongs to somebody else by the time its owner dies."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    script = SCRIPT.replace("read -r _", 'birth="another time"; read -r _')
    with subprocess.Popen(["sleep", "60"]) as bystander:
        guard = ["/bin/sh", "-c", script, "guard", str(bystander.pid), str(scratch)]
        subprocess.run(guard, stdin=subprocess.DEVNULL, check=True, timeout=10)
        assert bystander.poll() is None
        assert not scratch.exists()
        bystander.kill()


def test_ctrl_c_in_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    """Otherwise the workers could not write down what they finish."""
    with owner_process(tmp_path) as (process, url, pid), connect(url) as client:
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "interrupted\n"
        assert client.ping()
        process.communicate("")
        assert process.returncode == 0
        assert gone(pid)


def test_a_frozen_server_can_be_stopped(server_factory: ServerFactory) -> None:
    server = server_factory()
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    assert gone(pid)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, binary=binary(), settings={"maxmemory-policy": "nonsense"})
    with pytest.raises(ServerFailed, match="maxmemory-policy") as failed:
        server.start()
    assert failed.value.log
    assert failed.value.exit_code == 3
    assert running_server(tmp_path) is None
    with EmbeddedServer(tmp_path, binary=binary()) as second:
        assert second.pid


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    missing = ServerBinary(path=tmp_path / "redis-server", kind="redis", version=(7, 0, 0), allocator="none")
    with pytest.raises(ServerFailed, match="redis-server"):
        EmbeddedServer(tmp_path, binary=missing).start()


def test_leavings_of_a_crash_are_no_obstacle(server_factory: ServerFactory, tmp_path: Path) -> None:
    """A machine that lost power leaves note and lock file behind, the note perhaps torn."""
    (tmp_path / "lock").touch()
    (tmp_path / "server.json").write_text('{"url": "unix:///tmp/long-gone", "pi')
    assert running_server(tmp_path) is None
    assert server_factory(tmp_path).pid
