"""What is loaded by whom: web code that sends events pays for nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bgjobs

SOURCE = Path(bgjobs.__file__)


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


DEFINITION = """
import bgjobs
app = bgjobs.App('shop')
@app.function('f', on='a/b', cron='0 8 * * *')
async def f(ctx{annotation}): ...
"""


def test_defining_functions_loads_no_worker() -> None:
    assert parts(loaded_by(DEFINITION.format(annotation=""))) & HEAVY == set()


def test_an_annotation_loads_the_context_and_no_more_of_the_worker() -> None:
    loaded = parts(loaded_by(DEFINITION.format(annotation=": bgjobs.Context")))
    assert loaded & HEAVY <= {"bgjobs.worker"}


def test_the_three_lists_of_public_names_agree() -> None:
    """What is exported, what type checkers see, and where it is loaded from."""
    block = next(node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    seen = {
        (node.module, alias.name) for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == {(home, name) for name, home in bgjobs._HOME_OF.items()}
    assert {name for _, name in seen} | {"__version__"} == set(bgjobs.__all__)


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
