"""Loads the Lua transitions: joins a script with the fragments it uses, and names the result by its content hash.

`-- uses: a b` puts the fragments a and b before the text. `-- seldom uses: c` makes of c, and of what only c uses,
the body of a function C(...): what a call doesn't need costs it nothing. (To make the closures of all fragments
takes Redis longer than several runs.)
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

_PACKAGE = __name__.rpartition(".")[0]
_USES = re.compile(r"^-- uses:(.*)$", re.MULTILINE)
_SELDOM = re.compile(r"^-- seldom uses:(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One transition as it is sent: the text, and the hash by which the server knows it."""

    name: str
    text: str
    sha: str


def _read(path: str) -> str:
    return resources.files(_PACKAGE).joinpath("lua", path).read_text(encoding="utf-8")


def _named(kind: re.Pattern[str], text: str) -> list[str]:
    found = kind.search(text)
    return found.group(1).split() if found else []


def _collect(fragment: str, done: dict[str, str], path: tuple[str, ...]) -> None:
    if fragment in done:
        return
    if fragment in path:
        raise ValueError(f"lua fragments use each other in a circle: {' -> '.join((*path, fragment))}")
    text = _read(f"lib/{fragment}.lua")
    for needed in _named(_USES, text):
        _collect(needed, done, (*path, fragment))
    done[fragment] = text


def _strip(text: str) -> str:
    """Drop comment lines and indentation: the server parses, keeps and hashes less."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--"))


def _function(fragment: str, before: dict[str, str]) -> str:
    """A fragment as a function, with those that it uses and that are not there `before` inside."""
    inside = dict(before)
    _collect(fragment, inside, ())
    body = "\n".join(_strip(text) for name, text in inside.items() if name not in before)
    return f"local function {fragment.title().replace('_', '')}(...)\n{body}\nend"


@cache
def script(name: str) -> Script:
    """The transition `name` (a file of lua/), with all fragments it uses, each once, in the order of their needs."""
    main = _read(f"{name}.lua")
    fragments: dict[str, str] = {}
    for needed in _named(_USES, main):
        _collect(needed, fragments, ())
    parts = [_strip(text) for text in fragments.values()]
    parts += [_function(needed, fragments) for needed in _named(_SELDOM, main)]
    body = "\n".join((*parts, _strip(main)))
    text = f"-- bgjobs {name}\n{body}\n"
    return Script(name, text, hashlib.sha1(text.encode()).hexdigest())


@cache
def names() -> tuple[str, ...]:
    """The names of all transitions."""
    folder = resources.files(_PACKAGE).joinpath("lua")
    return tuple(sorted(entry.name[:-4] for entry in folder.iterdir() if entry.name.endswith(".lua")))
