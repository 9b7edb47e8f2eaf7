"""Wheel and sdist hold the linked folders under `bgjobs/`, the Lua included, and nothing at the top level."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINKED = ("broker", "worker", "cli")


def build(source: Path, folder: Path, kind: str) -> Path:
    """Build a `wheel` or `sdist` without the network."""
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


def package_files() -> set[str]:
    """The package's files as they have to be installed."""
    return {
        f"bgjobs/{path.relative_to(ROOT if linked else ROOT / 'bgjobs')}"
        for folder, linked in [(ROOT / "bgjobs", False), *((ROOT / name, True) for name in LINKED)]
        for suffix in ("*.py", "*.lua", "py.typed")
        for path in folder.rglob(suffix)
        if linked or not any((ROOT / "bgjobs" / part).is_symlink() for part in path.relative_to(ROOT / "bgjobs").parts)
    }


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert package_files() <= names
    assert any(name.startswith("bgjobs/broker/lua/lib/") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"bgjobs"}


def test_the_sdist_holds_the_package_and_its_tests(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = {name.split("/", 1)[1]: archive.getmember(name) for name in archive.getnames() if "/" in name}
    assert package_files() <= set(members)
    assert {"tests/conftest.py", "LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"} <= set(members)
    assert not any(member.issym() for member in members.values())


def test_the_wheel_of_the_sdist_is_the_same(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    again = build(next((tmp_path / "source").iterdir()), tmp_path / "again", "wheel")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_what_the_wheel_says_of_itself(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = next(name for name in archive.namelist() if name.endswith("/METADATA"))
    text = archive.read(metadata).decode()
    for line in (
        "Name: bgjobs",
        "Requires-Python: >=3.11",
        "License-Expression: Apache-2.0",
        "Provides-Extra: embedded",
    ):
        assert line in text
    assert archive.read(metadata.replace("METADATA", "entry_points.txt")).decode().split("\n")[1:2] == [
        "bgjobs = bgjobs.cli:main"
    ]


def test_the_installed_package_works_beside_a_users_own_worker(wheel: Path, tmp_path: Path) -> None:
    """A user's `worker.py`, `cli.py` and `broker.py` stay theirs."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    user = tmp_path / "user"
    user.mkdir()
    for name in LINKED:
        (user / f"{name}.py").write_text("THEIRS = True\n")
    code = (
        "import bgjobs.broker, bgjobs.worker, bgjobs.cli, broker, worker, cli\n"
        "assert broker.THEIRS and worker.THEIRS and cli.THEIRS\n"
        f"assert bgjobs.__file__.startswith({str(tmp_path)!r}), bgjobs.__file__"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=user,
        env={"PYTHONPATH": f"{user}:{tmp_path / 'site'}", "PATH": ""},
    )
