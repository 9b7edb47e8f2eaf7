"""Inside the package imports are relative, so that a linked folder is never loaded twice under two names.

Which part may import which is held by import-linter (pyproject.toml); it sees modules, this sees how they are spelt.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from .tree import ROOT, Complaint, project_files, read


def linked_folders() -> set[str]:
    """The folders of the root that are links inside `bgjobs/`."""
    return {path.name for path in (ROOT / "bgjobs").iterdir() if path.is_symlink()}


def check() -> Iterator[Complaint]:
    linked = linked_folders()
    package = {"bgjobs", *linked}
    for path in project_files(".py"):
        inside = path.parts[0] in package
        for node in ast.walk(ast.parse(read(path), str(path))):
            for name in _absolute_names(node):
                top = name.split(".")[0]
                if top in linked:
                    yield _complaint(path, node, f"`{name}`: import it as `bgjobs.{name}`")
                elif inside and top == "bgjobs":
                    yield _complaint(path, node, f"`{name}`: inside the package imports are relative")


def _absolute_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return []


def _complaint(path: Path, node: ast.AST, reason: str) -> Complaint:
    return Complaint(path=path, line=getattr(node, "lineno", 1), reason=reason)
