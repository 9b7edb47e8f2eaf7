"""What is kept of a run, and how it gets into a page."""

from pathlib import Path

import pytest

from bench.measurement import Measurement
from bench.page import BEGIN, END, fill
from bench.results import Results


def test_each_measurement_is_kept_at_once(tmp_path: Path) -> None:
    """So that a run that is ended leaves what it has; never is a figure, too."""
    path = tmp_path / "new" / "results.json"
    results = Results(path)
    results.notes = {"when": "now"}
    never = Measurement(scenario="recovery", peer="RQ", round=1, figures={"s": float("inf")})
    point = Measurement(scenario="backlog", peer="bgjobs", round=1, figures={}, error="it ended", point=1e3)
    for each in (never, point):
        results.add(each)
        again = Results(path)
        again.read()
        assert again.measurements == results.measurements
        assert again.notes == {"when": "now"}


def test_only_what_is_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for text in ("first", "second"):
        fill(page, text)
    assert page.read_text() == f"before\n{BEGIN}\n\nsecond\n\n{END}\nafter\n"


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}\n{END}\n{BEGIN}"])
def test_a_page_without_marks_stays_as_it_is(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="lacks the marks"):
        fill(page, "figures")
    assert page.read_text() == text
