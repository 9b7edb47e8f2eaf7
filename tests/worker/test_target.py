"""What a target may be, and what is said when it leads nowhere."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bgjobs import UsageError
from bgjobs.define.errors import DefinitionError, TargetError
from bgjobs.worker.target import load_app

GOOD = 'from bgjobs.define.app import App\napp = App("shop")\nalso = app\nnumber = 5\n'
NESTED = 'from bgjobs.define.app import App\nclass settings:\n    app = App("nested")\n'
TWO = 'from bgjobs.define.app import App\none = App("one")\ntwo = App("two")\n'
BROKEN = "def helper():\n    raise RuntimeError('no database')\n\nhelper()\n"
NEEDS = "import no_such_library\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a package whose name no other test uses, as current folder."""
    package = tmp_path / f"p{abs(hash(str(tmp_path)))}"
    package.mkdir()
    files = {"good": GOOD, "nested": NESTED, "two": TWO, "broken": BROKEN, "needs": NEEDS, "__init__": "", "none": ""}
    for name, content in files.items():
        (package / f"{name}.py").write_text(content)
    (package / "wrong.py").write_text('from bgjobs.define.app import App\nApp("not a good id!")\n')
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield package
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.mark.parametrize("form", ["{0}.good:app", "{0}.good", "{0}/good.py:app", "{0}/good.py"])
def test_an_app_is_found_by_module_or_by_file(project: Path, form: str) -> None:
    assert load_app(form.format(project.name)).id == "shop"


def test_an_attribute_may_be_a_path(project: Path) -> None:
    assert load_app(f"{project.name}.nested:settings.app").id == "nested"


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("{0}.missing:app", "There is no module '{0}.missing'"),
        ("nowhere.at.all:app", "There is no module 'nowhere'"),
        ("{0}/missing.py:app", "There is no file {0}/missing.py"),
        ("{0}.good:other", "has no attribute 'other'. It has the apps also, app."),
        ("{0}.good:number", "is of type int, not an App. Did you mean {0}.good:also?"),
        ("{0}.two", "has 2 apps (one, two)"),
        ("{0}.none", "has no App"),
        (":app", "names no module"),
        ("{0}/good:app", "with dots"),
    ],
)
def test_what_leads_nowhere_is_said_plainly(project: Path, form: str, says: str) -> None:
    with pytest.raises(TargetError) as raised:
        load_app(form.format(project.name))
    assert says.format(project.name) in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_module_that_fails_shows_the_users_own_lines_only(project: Path) -> None:
    with pytest.raises(TargetError) as raised:
        load_app(f"{project.name}.broken:app")
    text = str(raised.value)
    assert "RuntimeError: no database" in text
    assert "line 4" in text
    assert "line 2, in helper" in text
    assert "importlib" not in text
    assert "target.py" not in text


def test_a_library_that_is_missing_is_not_taken_for_a_missing_target(project: Path) -> None:
    with pytest.raises(TargetError, match=r"Importing .*needs failed[\s\S]*No module named 'no_such_library'"):
        load_app(f"{project.name}.needs:app")


def test_a_wrong_definition_keeps_its_own_error(project: Path) -> None:
    with pytest.raises(DefinitionError) as raised:
        load_app(f"{project.name}.wrong:app")
    assert not isinstance(raised.value, TargetError)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ('on="bad name"', "is not a valid event name"),
        ('cron="61 * * * *"', "The minute field '61'"),
        ('on="a/b", timeout="soon"', "can't be read as a duration"),
        ('on="a/b", retries=-1', "retries= is -1"),
    ],
)
def test_a_wrong_definition_is_told_with_its_line_and_without_ours(project: Path, option: str, says: str) -> None:
    text = f'from bgjobs import App\napp = App("shop")\n\n@app.function("f", {option})\nasync def f(ctx): ...\n'
    (project / "line.py").write_text(text)
    with pytest.raises(UsageError) as raised:
        load_app(f"{project.name}.line:app")
    assert str(raised.value).startswith("line.py, line 4: Function 'f': ")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
