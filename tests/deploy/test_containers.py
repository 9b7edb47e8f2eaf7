"""deploy/compose.yaml and deploy/Dockerfile: their commands do what they should, run here without a container."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from bgjobs.broker.durations import seconds
from tests.servers import binary, unused_port
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def image_environment() -> dict[str, str]:
    """What the image sets."""
    text = DOCKERFILE.replace("\\\n", " ")
    return dict(pair.split("=", 1) for line in re.findall(r"^ENV (.*)$", text, re.MULTILINE) for pair in line.split())


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder that deploy/make-secrets makes."""
    shutil.copy(DEPLOY / "make-secrets", tmp_path)
    subprocess.run([tmp_path / "make-secrets"], check=True, capture_output=True)
    return tmp_path / "secrets"


@dataclass(frozen=True, kw_only=True)
class Server:
    """Redis started with the command of compose.yaml, every path and address put where it is here."""

    process: subprocess.Popen[bytes]
    port: int
    healthy: list[str]  # the health check

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@pytest.fixture
def server(tmp_path: Path, secrets: Path) -> Iterator[Server]:
    service = SERVICES["redis"]
    data = tmp_path / "data"
    data.mkdir()
    port = unused_port()
    client = next(path for name in ("valkey-cli", "redis-cli") if (path := binary().path.with_name(name)).exists())
    here = {
        "redis-server": str(binary().path),
        "redis-cli": f"{client} -p {port}",
        "/etc/redis/redis.conf": str(DEPLOY / "redis.conf"),
        "/run/secrets": str(secrets),
        "/data": str(data),
        "$$": "$",
    }
    assert set(service["secrets"]) == {path.name for path in secrets.iterdir()}
    command = [translate(word, here) for word in service["command"]]
    kind, check = service["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--port", str(port), "--bind", "127.0.0.1"], stdout=log)
    server = Server(process=process, port=port, healthy=["sh", "-c", translate(check, here)])
    until(lambda: succeeds(server.healthy))
    yield server
    process.kill()
    process.wait()


def translate(text: str, words: dict[str, str]) -> str:
    """Replace what is called otherwise in a container; whole words and beginnings of paths only."""
    for word, replacement in words.items():
        text = re.sub(rf"(?<![\w/.-]){re.escape(word)}(?![\w.-])", lambda _, to=replacement: to, text)
    return text


def succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def test_secrets_are_kept_and_only_for_their_owner(tmp_path: Path, secrets: Path) -> None:
    before = (secrets / "redis_password").read_text()
    assert re.fullmatch(r"[0-9a-f]{64}\n", before)
    assert (secrets / "redis_auth").read_text() == f"requirepass {before}"
    assert secrets.stat().st_mode & 0o777 == 0o700
    subprocess.run([tmp_path / "make-secrets"], check=True, capture_output=True)
    assert (secrets / "redis_password").read_text() == before


def test_secrets_are_not_tracked() -> None:
    ignored = subprocess.run(["git", "check-ignore", "-q", "deploy/secrets/redis_password"], cwd=ROOT)
    assert ignored.returncode == 0


def test_redis_is_healthy_only_with_its_data_loaded(server: Server, secrets: Path) -> None:
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.process.wait(10) == 0
    assert not succeeds(server.healthy)


def test_redis_takes_the_password_and_the_settings(server: Server, secrets: Path) -> None:
    password = (secrets / "redis_password").read_text().strip()
    with redis.Redis.from_url(server.url, password=password, decode_responses=True) as client:
        assert client.config_get("hash-max-listpack-value") == {"hash-max-listpack-value": "1024"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_the_worker_starts_is_healthy_is_scraped_and_stops(server: Server, secrets: Path) -> None:
    service = SERVICES["worker"]
    metrics_port = unused_port()
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE)[1])  # type: ignore[index]
    assert entry == ["bgjobs"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BGJOBS_")},
        **image_environment(),
        **service["environment"],
        "BGJOBS_REDIS_URL": server.url,
        "BGJOBS_REDIS_PASSWORD_FILE": str(secrets / "redis_password"),
        "BGJOBS_METRICS_PORT": str(metrics_port),
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", *entry, *service["command"]],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        check = health_check(metrics_port)
        until(lambda: process.poll() is not None or succeeds(check), timeout=30)
        assert process.poll() is None, process.communicate()[1]
        metrics = get(metrics_port, "/metrics")
        assert "bgjobs_workers" in metrics
        assert json.loads(get(metrics_port, "/live"))
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=seconds(service["stop_grace_period"]))
        assert process.returncode == 0
        password = (secrets / "redis_password").read_text().strip()
        assert password not in log
        assert all(json.loads(line) for line in log.splitlines()), "the image logs JSON"
    finally:
        process.kill()
        process.communicate()


def health_check(port: int) -> list[str]:
    """The image's HEALTHCHECK, asking at a port of this machine."""
    text = DOCKERFILE.replace("\\\n", " ")
    command = json.loads(re.search(r"^HEALTHCHECK .*? CMD (\[.*\])$", text, re.MULTILINE)[1])  # type: ignore[index]
    assert command[0] == "python"
    return [sys.executable, *(word.replace(":9464", f":{port}") for word in command[1:])]


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return str(answer.read().decode())


def test_without_the_password_nobody_gets_in(server: Server) -> None:
    with redis.Redis.from_url(server.url) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_prometheus_scrapes_the_port_of_every_worker() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    [found] = config["scrape_configs"][0]["dns_sd_configs"]
    assert found["names"] == ["worker"]
    assert set(found["names"]) <= SERVICES.keys()
    assert str(found["port"]) == image_environment()["BGJOBS_METRICS_PORT"]
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


def test_a_worker_is_given_the_time_it_asks_for() -> None:
    command = SERVICES["worker"]["command"]
    timeout = seconds(command[command.index("--shutdown-timeout") + 1])
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > timeout


def test_the_image_is_made_of_files_that_are_there() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    for source in re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE):
        assert (ROOT / source).exists()
        assert source not in ignored
    assert {"tests", "deploy/secrets", ".git"} <= set(ignored)


def test_commands_in_comments_name_what_exists() -> None:
    for name in ("Dockerfile", "compose.yaml"):
        for line in re.findall(r"^#   (.*)$", (DEPLOY / name).read_text(), re.MULTILINE):
            for word in shlex.split(line):
                if word.startswith("deploy/"):
                    assert (ROOT / word).exists(), line
