"""Which server a command talks to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..settings import SETTINGS, Settings
from .embedded import EmbeddedServer
from .folder import ServerFolder

DEFAULT_FOLDER = Path(".bgjobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A server to talk to.

    Attributes:
        url: its address. It may hold a password: print `connection.redacted(url)`.
        source: where the address comes from, for messages.
    """

    url: str
    source: str


def given_server(given: str | None = None, *, settings: Settings | None = None) -> Found | None:
    """The server that somebody named: by argument, environment or pyproject.toml; None if nobody did.

    Args:
        given: the value of `--redis`; it wins.
        settings: by default those of this process.
    """
    settings = settings or Settings()
    named = settings.find("redis_url", given or None)
    if named is None:
        return None
    return Found(url=settings.redis_url(given or None), source="--redis" if given else named.source)


def running_server(folder: Path = DEFAULT_FOLDER) -> Found | None:
    """The server that `bgjobs dev` runs in this folder right now; None if there is none."""
    note = ServerFolder(folder.absolute()).running()
    return None if note is None else Found(url=note.url, source=f"the dev server in {folder}")


def find_server(given: str | None = None, *, settings: Settings | None = None, folder: Path = DEFAULT_FOLDER) -> Found:
    """The server to talk to: the named one, else the one that `bgjobs dev` runs here, else the default address.

    Args:
        given: the value of `--redis`; it wins.
        settings: by default those of this process.
        folder: where `bgjobs dev` keeps its data.
    """
    default = Found(url=SETTINGS["redis_url"].default, source="default")
    return given_server(given, settings=settings) or running_server(folder) or default


@contextmanager
def dev_server(
    given: str | None = None, *, settings: Settings | None = None, folder: Path = DEFAULT_FOLDER
) -> Iterator[Found]:
    """The server for `bgjobs dev`: the named one, else an own one with its data in `folder`, ended with this block.

    Raises:
        ServerNotFound: none is named and no server program is found.
        ServerBusy: another process runs one on `folder`.
        ServerFailed: it could not be started.
    """
    named = given_server(given, settings=settings)
    if named is not None:
        yield named
        return
    with EmbeddedServer(folder) as server:
        yield Found(url=server.url, source=f"an own {server.binary.kind} server, data in {folder}")
