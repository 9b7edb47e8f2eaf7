"""The pages say what is: their tables are those of the code, their links lead somewhere, their commands exist."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import bgjobs
from bgjobs.broker import defaults
from bgjobs.broker.errors import BgjobsError
from bgjobs.broker.model import TRANSITIONS
from bgjobs.cli.group import main

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").glob("*.md")]
NOT_BUILT = re.compile(r"^\* \*R(\d+) ", re.MULTILINE)
KEPT = re.compile(r"^\* \*\*R(\d+)\*\* ", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_page_can_be_found_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in readme] == []


def test_the_state_machine_is_the_table_of_transitions() -> None:
    drawn = {
        (None if before == "[*]" else before, after): tuple(verbs.split(", "))
        for before, after, verbs in re.findall(
            r"^\s+(\[\*\]|\w+) --> (\w+): (.*)$", (ROOT / "docs/state-machine.md").read_text(), re.MULTILINE
        )
    }
    assert drawn == {
        (None if before is None else str(before), str(after)): verbs for (before, after), verbs in TRANSITIONS.items()
    }


def test_every_verb_of_the_state_machine_is_explained() -> None:
    explained = re.findall(r"^\| ([a-z_, ]+) \|", (ROOT / "docs/state-machine.md").read_text(), re.MULTILINE)
    words = {word for words in explained for word in words.split(", ")} - {"verb"}
    assert words == {verb for verbs in TRANSITIONS.values() for verb in verbs}


def test_every_error_is_described() -> None:
    for module in pkgutil.walk_packages(bgjobs.__path__, "bgjobs."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    text = (ROOT / "docs/errors.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", text, re.MULTILINE))
    described = {error.__name__ for error in every_error(BgjobsError)} - {"BgjobsError"}
    assert described - rows.keys() == set()


def every_error(error: type[BgjobsError]) -> Iterator[type[BgjobsError]]:
    yield error
    for each in error.__subclasses__():
        if each.__module__.startswith("bgjobs."):
            yield from every_error(each)


def test_limits_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| .* \| (.*) \| `([A-Z_]+)` \|$", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    assert len(rows) > 30
    for shown, name in rows:
        assert in_numbers(shown) == pytest.approx(getattr(defaults, name)), name


def in_numbers(shown: str) -> float:
    number, _, unit = shown.replace(",", "").partition(" ")
    units = {"KiB": 1024, "MiB": 1024**2, "s": 1, "min": 60, "h": 3600, "days": 86400, "%": 0.01, "": 1}
    return float(number) * units[unit]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    for words in re.findall(
        r"\bbgjobs ((?:[a-z]+(?:-[a-z]+)* )*[a-z]+(?:-[a-z]+)*)",
        "\n".join(re.findall(r"`(bgjobs [^`]*)`", page.read_text())),
    ):
        command: click.Command | None = main
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            command = command.get_command(click.Context(command), word)
            assert command is not None, words


def test_every_rule_that_is_kept_has_a_test_that_names_it() -> None:
    text = (ROOT / "docs/rules.md").read_text()
    kept, not_built = {int(n) for n in KEPT.findall(text)}, {int(n) for n in NOT_BUILT.findall(text)}
    assert kept | not_built == set(range(1, 58))
    assert not kept & not_built
    named = {
        int(number)
        for path in (ROOT / "tests").rglob("*.py")
        for number in re.findall(r"\bR(\d{1,2})\b", path.read_text())
    }
    assert kept - named == set()
