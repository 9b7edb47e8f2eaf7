"""What the pages about flow control show in Python is carried out: their functions can be defined."""

import re
from pathlib import Path

import pytest

import bgjobs
from bgjobs import App

FOLDER = Path(__file__).parents[2] / "docs" / "flow-control"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_functions_can_be_defined(page: Path) -> None:
    app = App("shop")
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(page), "exec"), {"app": app, "bgjobs": bgjobs})
    assert app.functions


def test_the_order_leads_to_every_page() -> None:
    linked = re.findall(r"\]\((\S+?\.md)\)", (FOLDER / "README.md").read_text())
    assert [page.name for page in PAGES if page.name not in linked] == []
