"""Settings: argument, then environment `BGJOBS_*`, then `[tool.bgjobs]` in pyproject.toml, then the default.

`SETTINGS` is the one table of them; docs/configuration.md shows it. A setting marked secret may also come from a file
that `BGJOBS_..._FILE` names, as Docker and Kubernetes mount secrets.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from . import defaults, validation
from .durations import InvalidDuration, seconds
from .errors import ConfigurationError

PREFIX: Final = "BGJOBS_"


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table. Its variable is `BGJOBS_` and its name in capitals."""

    name: str  # in [tool.bgjobs], where "-" and "_" are the same
    default: str  # as the table shows it; "" if there is none
    meaning: str
    secret: bool = False

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


SETTINGS: Final[Mapping[str, Setting]] = {
    row.name: row
    for row in (
        Setting("redis_url", "redis://localhost:6379/0", "address of the server", secret=True),
        Setting("redis_password", "", "password, if the address has none", secret=True),
        Setting("namespace", defaults.NAMESPACE, "everything that belongs together on one server"),
        Setting("timeout", f"{defaults.WAIT_FOR_REDIS_SECONDS:g} s", "longest wait of a client for the server"),
        Setting("durability", "memory", "what a send waits for: memory, fsync, replicas=N"),
        Setting("deployment", "default", "name of the deployment, if an app has several"),
        Setting("app_version", "", "version of the app, shown in the registry"),
        Setting("processes", "1", "worker: processes"),
        Setting("concurrency", f"{defaults.WORKER_CONCURRENCY}", "worker: runs at a time, per process"),
        Setting("threads", "5 per core", "worker: threads for `def` functions, per process"),
        Setting("queues", "all", "worker: queues to work on, separated by commas"),
        Setting("connect_timeout", "30 s", "worker: wait for the server at start, then status 3"),
        Setting("start_at", "", "worker: where an app begins that was never registered: begin, end"),
        Setting(
            "shutdown_timeout", f"{defaults.SHUTDOWN_TIMEOUT_SECONDS:g} s", "worker: time to finish runs on SIGTERM"
        ),
        Setting("lease_ttl", f"{defaults.LEASE_TTL_SECONDS:g} s", "worker: silence after which its runs go to others"),
        Setting("max_stall", f"{defaults.MAX_STALL_SECONDS:g} s", "worker: blocked event loop that ends the process"),
        Setting("max_runs_per_process", "", "worker: runs after which a process is replaced"),
        Setting("max_memory", "", "worker: memory above which a process is replaced, such as 512M"),
        Setting("metrics_host", "127.0.0.1", "worker: address of /metrics, /live, /ready"),
        Setting("metrics_port", "9464", "worker: port of /metrics, /live, /ready; 0 any, off none"),
        Setting("log_level", "INFO", "worker: least important log lines that are written"),
        Setting("log_format", "text", "worker: text or json"),
    )
}


@dataclass(frozen=True, slots=True)
class Found:
    """The value of a setting and where it came from. Secrets print as stars."""

    value: Any
    source: str  # "argument", "BGJOBS_NAMESPACE", "pyproject.toml", "default"
    secret: bool = False

    def __repr__(self) -> str:
        return f"<{'***' if self.secret else self.value!r} from {self.source}>"


class Settings:
    """The settings as they stand for this process.

    Args:
        environ: the environment.
        folder: where to look for pyproject.toml, here or in a folder above.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._folder = folder

    def find(self, name: str, given: Any = None) -> Found | None:
        """What a setting is set to; None if it is not set, so that the default holds.

        Args:
            name: of a row of `SETTINGS`.
            given: the argument, which wins unless it is None.

        Raises:
            ConfigurationError: it is set in two ways, or its file or pyproject.toml can't be read.
        """
        row = SETTINGS[name]
        if given is not None:
            return Found(given, "argument", row.secret)
        value = self._environ.get(row.variable, "")
        path = self._environ.get(row.variable + "_FILE", "") if row.secret else ""
        if value and path:
            raise ConfigurationError(
                f"Both {row.variable} and {row.variable}_FILE are set.", remedy="Unset one of them."
            )
        if path:
            return Found(_secret(path, row), row.variable + "_FILE", row.secret)
        if value:
            return Found(value, row.variable, row.secret)
        table = _pyproject(str((self._folder or Path.cwd()).absolute()))
        return Found(table[name], "pyproject.toml", row.secret) if name in table else None

    def redis_url(self, given: str | None = None) -> str:
        """Address of the server, with the password in it. Never print it: see `connection.redacted`.

        If nobody named one, it is the server that `bgjobs dev` runs in this folder, if it does, else the default.
        """
        found = self.find("redis_url", given)
        if found is None:
            return self._running_server() or self._with_secret(SETTINGS["redis_url"].default)
        return self._with_secret(str(found.value))

    def _running_server(self) -> str:
        from .server.folder import ServerFolder  # only here: a process that is told its server needs none of it

        note = ServerFolder((self._folder or Path.cwd()) / ".bgjobs").running()
        return "" if note is None else note.url

    def _with_secret(self, url: str) -> str:
        password = self.find("redis_password")
        return url if password is None else _with_password(url, str(password.value))

    def namespace(self, given: str | None = None) -> str:
        """The namespace. Raises ConfigurationError if it may not be called that."""
        return validation.namespace(self.text("namespace", given, defaults.NAMESPACE))

    def text(self, name: str, given: str | None, default: str) -> str:
        """A setting as text."""
        found = self.find(name, given)
        return default if found is None else str(found.value)

    def seconds(self, name: str, given: Any, default: float) -> float:
        """A setting as a duration in seconds. Raises ConfigurationError if it is none."""
        found = self.find(name, given)
        if found is None:
            return default
        try:
            return seconds(found.value, what=name)
        except InvalidDuration as error:
            raise ConfigurationError(f"{error.what} (from {found.source})", remedy=error.remedy) from None


def configuration_table() -> str:
    """The table for the documentation, in Markdown."""
    rows = []
    for row in SETTINGS.values():
        variables = f"`{row.variable}`, `{row.variable}_FILE`" if row.secret else f"`{row.variable}`"
        rows.append(f"| `{row.name}` | {variables} | {row.default} | {row.meaning} |")
    return "\n".join(["| in `[tool.bgjobs]` | environment | default | meaning |", "|---|---|---|---|", *rows])


def _secret(path: str, row: Setting) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"{row.variable}_FILE names {path}, which can't be read: {reason}.") from None


def _with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    if parts.password is not None or not password:
        return url
    user, _, address = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{address}"))


@lru_cache(maxsize=64)
def _pyproject(folder: str) -> Mapping[str, Any]:
    """`[tool.bgjobs]` of the nearest pyproject.toml, in a folder or above it."""
    for place in (Path(folder), *Path(folder).parents):
        path = place / "pyproject.toml"
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} can't be read: {error}.", remedy="Correct the file.") from None
        table = content.get("tool", {}).get("bgjobs", {})
        return {_known(name, path): value for name, value in table.items()}
    return {}


def _known(name: str, path: Path) -> str:
    plain = name.replace("-", "_")
    if plain not in SETTINGS:
        near = get_close_matches(plain, SETTINGS, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"The settings are {', '.join(SETTINGS)}."
        raise ConfigurationError(
            f"{path} has a setting {name!r} in [tool.bgjobs], which does not exist.", remedy=remedy
        )
    return plain


def check_given(redis: str | None, namespace: str | None, durability: str | None) -> None:
    """What an app was given as arguments, checked where it stands; what they leave out is looked up when it is needed.

    Raises:
        ConfigurationError, UsageError: one of them can't be used.
    """
    if redis is not None:
        from .connection import Endpoint

        Endpoint(redis)
    if namespace is not None:
        validation.namespace(namespace)
    if durability is not None:
        from .durability import parse

        parse(durability)
