"""Which server a command talks to."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .embedded import EmbeddedServer
from .folder import ServerFolder

VARIABLE = "BGJOBS_REDIS_URL"
DEFAULT_FOLDER = Path(".bgjobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A server to talk to.

    Attributes:
        url: its address. It may hold a password: never print it, print `source`.
        source: where the address comes from, for messages.
    """

    url: str
    source: str


def running_server(folder: Path = DEFAULT_FOLDER) -> Found | None:
    """The server that `bgjobs dev` runs in this folder right now; None if there is none."""
    note = ServerFolder(folder.absolute()).running()
    return None if note is None else Found(url=note.url, source=f"the dev server in {folder}")


def find_server(
    given: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    folder: Path = DEFAULT_FOLDER,
) -> Found | None:
    """The server that somebody chose: by argument, by environment, or by running `bgjobs dev` in this folder.

    Args:
        given: the value of `--redis`, or a setting; it wins.
        environ: the environment.
        folder: where `bgjobs dev` keeps its data.

    Returns:
        None if nobody chose one.
    """
    if given:
        return Found(url=given, source="--redis")
    if url := environ.get(VARIABLE):
        return Found(url=url, source=VARIABLE)
    return running_server(folder)


@contextmanager
def dev_server(
    given: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    folder: Path = DEFAULT_FOLDER,
) -> Iterator[Found]:
    """The server for `bgjobs dev`: the given one, else an own one with its data in `folder`, ended with this block.

    Raises:
        ServerNotFound: none is given and no server program is found.
        ServerBusy: another process runs one on `folder`.
        ServerFailed: it could not be started.
    """
    if given or environ.get(VARIABLE):
        chosen = find_server(given, environ=environ, folder=folder)
        assert chosen is not None
        yield chosen
        return
    with EmbeddedServer(folder) as server:
        yield Found(url=server.url, source=f"own {server.binary.kind} server, data in {folder}")
