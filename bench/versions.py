"""Which versions are compared."""

import json
import subprocess
from collections.abc import Sequence

from bench import postgres
from bench.peers import ENVIRONMENTS, NODE, Peer

#: Distribution of each environment's peer, where it is not called like the environment.
_DISTRIBUTIONS = {"docket": "pydocket", "bgjobs-plain": "bgjobs"}
_CODE = """
import platform, sys
from importlib import metadata
def version(name):
    try:
        return name + " " + metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
print(", ".join(filter(None, [version(name) for name in sys.argv[1:]] + ["Python " + platform.python_version()])))
"""


def versions(peers: Sequence[Peer]) -> dict[str, str]:
    """peer -> its version and those of what it stands on; once for several ways of using the same installation."""
    first = {peer.environment: peer for peer in reversed(peers)}
    return {peer.name: _of(peer) for peer in peers if first[peer.environment] is peer}


def _of(peer: Peer) -> str:
    if not peer.environment:
        return _node()
    found = _python(peer.environment)
    folder = postgres.programs() if peer.database == "postgres" else None
    if folder is None:
        return found
    server = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    return f"{found}, {server.stdout.strip()}"


def _python(environment: str) -> str:
    own = _DISTRIBUTIONS.get(environment, environment)
    names = (own, "redis", "hiredis", "coredis", "psycopg", "SQLAlchemy", "uvloop")
    python = ENVIRONMENTS / environment / "bin" / "python"
    return subprocess.run([python, "-c", _CODE, *names], capture_output=True, text=True, check=True).stdout.strip()


def _node() -> str:
    package = json.loads((NODE / "node_modules" / "bullmq" / "package.json").read_text())
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"bullmq {package['version']}, Node {node}"
