"""deploy/redis.conf: every line is understood, has its reason, and does what it says."""

import re
from contextlib import suppress
from pathlib import Path

import redis

from bgjobs.broker.server import EmbeddedServer
from tests.servers import ServerFactory, binary

CONF = Path(__file__).resolve().parents[2] / "deploy/redis.conf"


def settings() -> dict[str, str]:
    """The settings of the file that are in force."""
    lines = (line for line in CONF.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value.strip('"') for name, value in (line.split(" ", 1) for line in lines)}


def test_every_setting_is_preceded_by_its_reason() -> None:
    lines = CONF.read_text().splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            above = next(text for text in reversed(lines[:number]) if not re.match(r"[a-z]", text))
            assert above.startswith("# "), line


def test_a_server_takes_every_setting(server_factory: ServerFactory, tmp_path: Path) -> None:
    bytes_of = {"1gb": str(1024**3)}
    server = server_factory(tmp_path, include=str(CONF))
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        for name, value in settings().items():
            assert client.config_get(name) == {name: bytes_of.get(value, value)}


def test_a_payload_of_a_kilobyte_leaves_the_hash_compact(server_factory: ServerFactory, tmp_path: Path) -> None:
    server = server_factory(tmp_path, include=str(CONF))
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        client.hset("run", mapping={"state": "c", "payload": "x" * 1024})
        assert client.object("encoding", "run") == "listpack"
        client.hset("run", "payload", "x" * 1025)
        assert client.object("encoding", "run") == "hashtable"


def test_a_full_server_refuses_and_forgets_nothing(server_factory: ServerFactory, tmp_path: Path) -> None:
    server = server_factory(tmp_path, include=str(CONF))
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 300_000)
        written = 0
        with suppress(redis.exceptions.OutOfMemoryError):
            while written < 1_000:
                client.set(f"key{written}", "x" * 10_000)
                written += 1
        assert 0 < written < 1_000
        assert client.dbsize() == written
        assert client.delete("key0") == 1


def test_the_server_comes_back_with_everything(tmp_path: Path) -> None:
    """Started with the file alone, as in production, not with the settings of the embedded server."""
    server = EmbeddedServer(tmp_path, binary=binary(), settings={"include": str(CONF), **settings()})
    with server, redis.Redis.from_url(server.url, decode_responses=True) as client:
        client.set("kept", "yes")
        server.kill()
        server.start()
        assert client.get("kept") == "yes"
        assert client.config_get("aof-use-rdb-preamble") == {"aof-use-rdb-preamble": "yes"}
