"""Which versions are compared."""

import json
import subprocess
from collections.abc import Sequence

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
        return "no " + name
print(", ".join([version(name) for name in sys.argv[1:]] + ["Python " + platform.python_version()]))
"""


def versions(peers: Sequence[Peer]) -> dict[str, str]:
    """peer -> its version and those of what it stands on."""
    return {peer.name: _python(peer.environment) if peer.environment else _node() for peer in peers}


def _python(environment: str) -> str:
    names = (_DISTRIBUTIONS.get(environment, environment), "redis", "hiredis", "uvloop")
    python = ENVIRONMENTS / environment / "bin" / "python"
    return subprocess.run([python, "-c", _CODE, *names], capture_output=True, text=True, check=True).stdout.strip()


def _node() -> str:
    package = json.loads((NODE / "node_modules" / "bullmq" / "package.json").read_text())
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"bullmq {package['version']}, Node {node}"
