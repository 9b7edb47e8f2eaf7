"""What is loaded by whom: web code that sends events pays for nothing else."""

import subprocess
import sys

import pytest

import bgjobs


def loaded_by(code: str) -> set[str]:
    """The names of all modules that a fresh process has loaded after `code`."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    )


def parts(modules: set[str]) -> set[str]:
    """Which parts of bgjobs, and which foreign packages."""
    return {".".join(name.split(".")[:2]) if name.startswith("bgjobs.") else name.split(".")[0] for name in modules}


HEAVY = {
    "bgjobs.worker",
    "bgjobs.cli",
    "click",
    "prometheus_client",
    "rich",
    "watchfiles",
    "uvloop",
    "valkey",
    "psutil",
}


def test_web_code_loads_neither_worker_nor_click_nor_prometheus() -> None:
    loaded = parts(loaded_by("from bgjobs import App, Client"))
    assert loaded & HEAVY == set()
    assert "bgjobs.define" in loaded


def test_the_package_alone_loads_next_to_nothing() -> None:
    loaded = parts(loaded_by("import bgjobs"))
    assert loaded & {*HEAVY, "redis", "pydantic", "msgpack", "bgjobs.define", "bgjobs.broker"} == set()


def test_defining_functions_loads_no_worker() -> None:
    code = "import bgjobs\napp = bgjobs.App('shop')\n@app.function('f', on='a/b', cron='0 8 * * *')\ndef f(ctx): ..."
    assert parts(loaded_by(code)) & HEAVY == set()


@pytest.mark.parametrize("name", bgjobs.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(bgjobs, name) is not None
    assert name in dir(bgjobs)


def test_a_star_import_gives_the_public_names_only() -> None:
    names: dict[str, object] = {}
    exec("from bgjobs import *", names)
    assert set(names) - {"__builtins__"} == set(bgjobs.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Clinet'"):
        _ = bgjobs.Clinet
    with pytest.raises(ImportError, match="Clinet"):
        exec("from bgjobs import Clinet")


@pytest.mark.parametrize(
    "command", [["-m", "bgjobs", "--version"], ["-c", "from bgjobs.cli import main; main()", "--version"]]
)
def test_version(command: list[str]) -> None:
    output = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True).stdout
    assert output == f"bgjobs {bgjobs.__version__}\n"
