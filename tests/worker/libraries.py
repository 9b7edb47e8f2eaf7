"""Code as if an installed package had it: compiled under the file name of a package, for tests of tracebacks."""

import sysconfig
from typing import Any


def installed(source: str, module: str) -> dict[str, Any]:
    """The names that a module of installed code has."""
    names: dict[str, Any] = {"__name__": module}
    file = f"{sysconfig.get_paths()['purelib']}/{module.replace('.', '/')}.py"
    exec(compile(source, file, "exec"), names)
    return names
