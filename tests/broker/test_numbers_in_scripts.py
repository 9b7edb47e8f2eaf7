"""Numbers that scripts need and people read about in `defaults`: they stand in both places, and are the same."""

import re
from importlib import resources

import pytest

from bgjobs.broker import defaults

#: Where a number stands in a script, what finds it, and its value by `defaults`.
NUMBERS = [
    ("lib/reap.lua", r"CHARGES = (\d+)", defaults.MAX_CRASHES),
    ("lib/cancel.lua", r"NOW \+ (\d+)\)", defaults.CANCEL_GRACE_SECONDS * 1000),
    ("lib/steps.lua", r"MOST_BYTES = (\d+)", defaults.MAX_RUN_BYTES),
    ("lib/lease.lua", r"REPLY_LIMIT = (\d+)", defaults.MAX_REPLY_BYTES),
    ("lib/claims.lua", r"'PX', (\d+)", defaults.SUPPLIED_ID_DEDUPE_SECONDS * 1000),
]


@pytest.mark.parametrize(("path", "pattern", "expected"), NUMBERS)
def test_scripts_and_defaults_agree(path: str, pattern: str, expected: int) -> None:
    """R2, R21, R43, R50: the numbers of the rules."""
    text = resources.files("bgjobs.broker").joinpath("lua", path).read_text()
    found = re.findall(pattern, text)
    assert found, f"{pattern} is no longer in {path}"
    assert {int(number) for number in found} == {expected}
