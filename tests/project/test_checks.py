"""The project's own checks complain where they should, and only there."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checks import imports, names, sizes, tree, words


@pytest.fixture
def complaints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs one check on a small project: `complaints(sizes, {"a.py": "..."})`."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "broker").mkdir()
    (tmp_path / "bgjobs").mkdir()
    (tmp_path / "bgjobs/broker").symlink_to("../broker")
    monkeypatch.setattr(tree, "ROOT", tmp_path)
    monkeypatch.setattr(imports, "ROOT", tmp_path)

    def run(check: Callable[[], Iterator[tree.Complaint]], files: dict[str, str]) -> list[str]:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return [str(complaint) for complaint in check()]

    return run


@pytest.mark.parametrize(
    ("name", "most"), [("worker/a.py", 299), ("tests/worker/a.py", 399), ("broker/lua/a.lua", 120), ("docs/a.md", 999)]
)
def test_sizes(complaints: Callable[..., list[str]], name: str, most: int) -> None:
    assert complaints(sizes.check, {name: "x = 1\n" * most}) == []
    found = complaints(sizes.check, {name: "x = 1\n" * (most + 1)})
    assert len(found) == (0 if name.endswith(".md") else 1)


def test_a_link_is_not_counted_twice(complaints: Callable[..., list[str]]) -> None:
    assert len(complaints(sizes.check, {"broker/long.py": "x = 1\n" * 500})) == 1


@pytest.mark.parametrize("name", ["broker/utils.py", "worker/helpers/a.py", "cli/run_manager/manager.py", "common.lua"])
def test_names(complaints: Callable[..., list[str]], name: str) -> None:
    assert complaints(names.check, {name: "", "broker/uncommon.py": ""})[0].startswith(f"{name}:1: ")


def test_words(complaints: Callable[..., list[str]]) -> None:
    unfinished = "TO" + "DO"
    assert complaints(words.check, {"a.md": f"fine\n{unfinished}: more\n", "b.py": "# a to-do list, todo too\n"}) == [
        f"a.md:2: `{unfinished}`: finish it, or open an issue"
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("tests/a.py", "from broker.keys import Keys"),
        ("worker.py", "import broker"),
        ("broker/a.py", "from broker.keys import Keys"),
        ("broker/a.py", "def f():\n    from bgjobs.broker import keys"),
        ("bgjobs/a.py", "import bgjobs.broker"),
    ],
)
def test_imports_that_load_a_file_twice(complaints: Callable[..., list[str]], name: str, line: str) -> None:
    assert len(complaints(imports.check, {name: f"{line}\n"})) == 1


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("tests/a.py", "from bgjobs.broker.keys import Keys"),
        ("broker/a.py", "from .keys import Keys"),
        ("a.py", "import brokers"),
    ],
)
def test_imports_that_are_fine(complaints: Callable[..., list[str]], name: str, line: str) -> None:
    assert complaints(imports.check, {name: f"{line}\n"}) == []
