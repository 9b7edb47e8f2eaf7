"""No file is called something that says nothing."""

from collections.abc import Iterator

from .tree import Complaint, project_files

SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}


def check() -> Iterator[Complaint]:
    for path in project_files():
        for part in (*path.parts[:-1], path.name.split(".")[0]):
            if part in SAYS_NOTHING:
                yield Complaint(path=path, reason=f"`{part}` says nothing about what is in it: name it after its noun")
