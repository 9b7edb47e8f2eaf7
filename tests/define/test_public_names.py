"""The names of the package are those of the API page."""

from __future__ import annotations

import re
from pathlib import Path

import bgjobs

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_page_lists_what_there_is() -> None:
    listed = re.search(r"`(App, Function,.*?)`, the errors below", PAGE, re.DOTALL)
    tree = re.search(r"```\n(BgjobsError .*?)```", PAGE, re.DOTALL)
    assert listed is not None
    assert tree is not None
    errors = set(re.findall(r"[A-Z]\w+", re.sub(r"  [a-z\"(].*", "", tree[1])))
    names = {name.strip() for name in listed[1].split(",")}
    assert names <= set(bgjobs.__all__), sorted(names - set(bgjobs.__all__))
    assert set(bgjobs.__all__) <= names | errors | {"__version__"}


def test_every_name_leads_somewhere() -> None:
    for name in bgjobs.__all__:
        assert getattr(bgjobs, name) is not None
