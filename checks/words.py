"""Words that have no place in the project: unfinished work, and papers that nobody else can read."""

import re
from collections.abc import Iterator
from pathlib import Path

from .tree import Complaint, project_files, read

FORBIDDEN = {
    re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"): "finish it, or open an issue",
    re.compile(r"\b(DESIGN|RULES|STYLE|BRIEF)\.md\b|redis-notes"): "name a page in docs/ instead",
    re.compile(r"(?<![\w.])/work/"): "a path of one machine",
    re.compile(r"\b[Ff]ake ?redis\b"): "tests run against a real server",
}
# A test may let user code raise it.
FORBIDDEN_IN_SOURCES = {re.compile(r"NotImplementedError"): "finish it; an interface is a Protocol"}
# This file has to spell them.
HERE = Path("checks/words.py")


def check() -> Iterator[Complaint]:
    for path in project_files():
        if path == HERE:
            continue
        forbidden = FORBIDDEN if path.parts[0] == "tests" else FORBIDDEN | FORBIDDEN_IN_SOURCES
        for number, line in enumerate(read(path).splitlines(), 1):
            for pattern, reason in forbidden.items():
                if found := pattern.search(line):
                    yield Complaint(path=path, line=number, reason=f"`{found[0]}`: {reason}")
