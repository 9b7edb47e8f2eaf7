"""Makes an environment per peer in .venv-bench. One for all can't be: their pins of redis-py contradict each other.

Run by any Python >= 3.11, without anything installed: `python bench/environments.py`.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-bench"
NODE = ROOT / "bench" / "node"
REQUIREMENTS = ROOT / "bench" / "requirements"


def make(requirements: Path) -> None:
    """Make or refresh the environment of one peer; does nothing if its requirements are the ones installed."""
    environment = ENVIRONMENTS / requirements.stem
    wanted, stamp = requirements.read_text(), environment / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"installing {requirements.stem}", flush=True)
    if not (environment / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, "--only-binary", ":all:", "--requirement", str(requirements)], cwd=ROOT, check=True)
    stamp.write_text(wanted)


def make_node() -> None:
    """Install the Node peers, where there is node. Without it the comparison goes on without them."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        print("no node here: the comparison will lack BullMQ")
        return
    # Scripts stay off: its one compiled extra comes prebuilt.
    # Versions and their hashes come from package-lock.json, which says nothing of where they are fetched.
    quiet = ("--no-audit", "--no-fund", "--loglevel=error")
    command = [npm, "install", "--omit-lockfile-registry-resolved", "--ignore-scripts", *quiet]
    subprocess.run(command, cwd=NODE, check=True)


def main() -> None:
    """Whatever is missing here and is no package of Python or Node is said when it is to be measured."""
    for requirements in sorted(REQUIREMENTS.glob("*.txt")):
        make(requirements)
    make_node()


if __name__ == "__main__":
    main()
