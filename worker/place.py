"""Where in the user's own code an exception came from: what failures of one kind have in common.

The innermost frame says it best, but the innermost of all is mostly a library's: every refused connection would look
the same. So frames of bgjobs, of Python and of installed packages are passed over. If the user's code is installed as
a package itself, its own package is the one that the outermost frame belongs to.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType

#: Where bgjobs itself is.
BGJOBS = f"{Path(__file__).parent.parent}{os.sep}"

_PATHS = sysconfig.get_paths()
_INSTALLED = tuple(f"{_PATHS[name]}{os.sep}" for name in ("purelib", "platlib"))
_PYTHON = tuple(f"{_PATHS[name]}{os.sep}" for name in ("stdlib", "platstdlib"))
_SITE = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def place_of(error: BaseException) -> str:
    """`<module>:<qualified name>` of the innermost frame of the user's own code; "" if there is none.

    Neither file nor line: the next deploy moves them.
    """
    frames = [frame for frame in _frames(error) if _kind(frame[0].co_filename) not in ("bgjobs", "python")]
    own = [frame for frame in frames if _kind(frame[0].co_filename) == "own"]
    if not own and frames:
        package = frames[0][1].partition(".")[0]
        own = [frame for frame in frames if frame[1].partition(".")[0] == package]
    return f"{own[-1][1]}:{own[-1][0].co_qualname}" if own else ""


def _frames(error: BaseException) -> Iterator[tuple[CodeType, str]]:
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame.f_code, str(step.tb_frame.f_globals.get("__name__", ""))
        step = step.tb_next


@lru_cache(maxsize=10_000)
def _kind(filename: str) -> str:
    """Whose code a file is: "bgjobs", "installed", "python" or "own"."""
    if filename.startswith(BGJOBS):
        return "bgjobs"
    if filename.startswith(_INSTALLED) or any(part in filename for part in _SITE):
        return "installed"
    if filename.startswith((*_PYTHON, "<frozen ")):
        return "python"
    return "own"
