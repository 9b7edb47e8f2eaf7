"""Files stay small enough to be read in one go. There are no exemptions: a file that grows is split."""

from collections.abc import Iterator
from pathlib import Path

from .tree import Complaint, project_files, read

SOURCE, TEST, LUA = 300, 400, 120  # a file has fewer source or test lines than this, and at most this many of Lua


def limit(path: Path) -> int:
    """The largest allowed number of lines of a file."""
    if path.suffix == ".lua":
        return LUA
    return (TEST if path.parts[0] == "tests" else SOURCE) - 1


def check() -> Iterator[Complaint]:
    for path in project_files(".py", ".lua", ".sh", ".js", ".css", ".html"):
        lines = len(read(path).splitlines())
        if lines > limit(path):
            yield Complaint(path=path, line=lines, reason=f"{lines} lines, at most {limit(path)}: split it")
