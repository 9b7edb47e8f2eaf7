"""Where settings come from, and that secrets stay secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgjobs.broker.errors import ConfigurationError
from bgjobs.define.config import SETTINGS, Settings, configuration_table, redacted


def test_the_order(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.bgjobs]\nnamespace = "from-file"\nlease-ttl = "20s"\n')
    inner = tmp_path / "src" / "shop"
    inner.mkdir(parents=True)
    environ: dict[str, str] = {}
    settings = Settings(environ, inner)
    assert settings.namespace() == "from-file"
    environ["BGJOBS_NAMESPACE"] = "from-variable"
    assert settings.namespace() == "from-variable"
    assert settings.namespace("given") == "given"
    assert settings.seconds("lease_ttl", None, 15.0) == 20.0
    assert settings.seconds("max_stall", None, 60.0) == 60.0
    found = settings.find("namespace")
    assert found is not None
    assert found.source == "BGJOBS_NAMESPACE"


def test_without_any(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    settings = Settings({}, tmp_path)
    assert settings.namespace() == "default"
    assert settings.redis_url() == "redis://localhost:6379/0"
    assert settings.find("namespace") is None


def test_secrets_from_files(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    secret = tmp_path / "password"
    secret.write_text("p@ss/word\n")
    settings = Settings(
        {"BGJOBS_REDIS_PASSWORD_FILE": str(secret), "BGJOBS_REDIS_URL": "redis://cache:6380/2"}, tmp_path
    )
    assert settings.redis_url() == "redis://:p%40ss%2Fword@cache:6380/2"
    assert settings.redis_url("rediss://ops@other") == "rediss://ops:p%40ss%2Fword@other"
    assert settings.redis_url("redis://:own@other") == "redis://:own@other"
    assert "p%40ss" not in redacted(settings.redis_url())
    assert "p@ss" not in repr(settings.find("redis_password"))
    with pytest.raises(ConfigurationError, match="can't be read"):
        Settings({"BGJOBS_REDIS_URL_FILE": str(tmp_path / "absent")}, tmp_path).redis_url()
    with pytest.raises(ConfigurationError, match="Both"):
        Settings({"BGJOBS_REDIS_URL_FILE": str(secret), "BGJOBS_REDIS_URL": "redis://x"}, tmp_path).redis_url()


def test_mistakes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.bgjobs]\nname_space = "x"\n')
    with pytest.raises(ConfigurationError, match="Did you mean namespace"):
        Settings({}, tmp_path).namespace()
    with pytest.raises(ConfigurationError, match="not a valid namespace"):
        Settings({}, tmp_path).namespace("a b")
    with pytest.raises(ConfigurationError, match=r"lease_ttl is 'soon'.* \(from BGJOBS_LEASE_TTL\)"):
        Settings({"BGJOBS_LEASE_TTL": "soon"}, tmp_path).seconds("lease_ttl", None, 15.0)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.bgjobs\n")
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml can't be read"):
        Settings({}, tmp_path).namespace()


def test_the_table_has_a_row_for_each() -> None:
    table = configuration_table()
    for row in SETTINGS.values():
        assert f"`{row.variable}`" in table
        assert row.meaning in table


def test_the_documentation_shows_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    table = configuration_table()
    assert table in page.read_text(encoding="utf-8"), f"put this table into {page}:\n{table}"
