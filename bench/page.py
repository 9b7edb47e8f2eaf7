"""The part of a page that a run writes, between two marks; the rest of the page is written by people."""

from pathlib import Path

BEGIN = "<!-- What follows is written by `python -m bench`: change nothing by hand. -->"
END = "<!-- End of what is written by `python -m bench`. -->"


def fill(page: Path, text: str) -> None:
    """Replace what stands between the marks. Raises ValueError if the page lacks them."""
    old = page.read_text()
    if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(BEGIN) > old.index(END):
        raise ValueError(f"{page} lacks the marks between which figures go: {BEGIN} and {END}")
    before, after = old[: old.index(BEGIN)], old[old.index(END) :]
    page.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n\n{after}")
