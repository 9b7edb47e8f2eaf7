"""The files that a check looks at, and the form in which it complains."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Something that is not as it has to be.

    Attributes:
        path: the file, relative to the root.
        line: the line, from 1.
        reason: what is wrong and what to do.
    """

    path: Path
    line: int = 1
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


def project_files(*suffixes: str) -> list[Path]:
    """The files of the project, tracked or about to be, relative to the root; links are not followed.

    Args:
        suffixes: endings of names, such as `.py`; none means all files.
    """
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    paths = sorted({Path(name) for name in listing.split("\0") if name})
    return [
        path
        for path in paths
        if (ROOT / path).is_file() and not (ROOT / path).is_symlink() and (not suffixes or path.name.endswith(suffixes))
    ]


def read(path: Path) -> str:
    """The text of a file of the project; empty if it isn't text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
