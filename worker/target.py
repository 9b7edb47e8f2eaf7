"""Finds the App that a target such as "shop.jobs:app" names, and says plainly what is wrong when it can't."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ..broker.errors import UsageError
from ..define.app import App
from ..define.errors import TargetError
from .place import BGJOBS

_FORM = "Name the app as MODULE:ATTRIBUTE (such as shop.jobs:app) or PATH.py:ATTRIBUTE, from the project's folder."


def load_app(target: str) -> App:
    """Import the target and return its App.

    Args:
        target: "module:attribute" or "path/to/file.py:attribute"; without an attribute the module's only App.

    Returns:
        The App; every module that the target imports has been imported, so its functions are known.

    Raises:
        TargetError: there is no such module or attribute, it is not an App, or importing it failed.
        UsageError: a definition in the imported code is wrong; the message begins with its place.
    """
    place, _, attribute = target.partition(":")
    if not place:
        raise TargetError(f"The target {target!r} names no module.", remedy=_FORM)
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        # An installed command starts without the current folder, where the project usually is.
        sys.path.insert(0, here)
    module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    return _app_of(module, attribute, target)


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except UsageError as error:
        error.what = f"{_place(error)}{error.what}"
        raise
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(missing + "."):
            remedy = _FORM
            if "/" in name:
                remedy = f"Write {name.strip('./').replace('/', '.')} with dots, or the path with .py."
            elif Path(f"{name.replace('.', '/')}.py").exists():
                remedy = "Its file is there: is there an installed package of the same name that hides it?"
            raise TargetError(f"There is no module {missing!r} (looked from {Path.cwd()}).", remedy=remedy) from None
        raise _failed(name, error) from error
    except Exception as error:
        raise _failed(name, error) from error


def _place(error: Exception) -> str:
    """The line of the user's own that led to a wrong definition."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((BGJOBS, "<")) and "importlib" not in frame.filename
    ]
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}: " if own else ""


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise TargetError(f"There is no file {path} (looked from {Path.cwd()}).", remedy=_FORM)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return _import_module(path.stem)


def _failed(name: str, error: Exception) -> TargetError:
    # From the first frame that is not the import machinery's: what remains is the user's own code.
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    trace = "".join(traceback.format_list(frames[1:]) + traceback.format_exception_only(error)).rstrip()
    return TargetError(f"Importing {name} failed:\n{trace}\n", remedy="Correct the module; nothing was started.")


def _app_of(module: ModuleType, attribute: str, target: str) -> App:
    apps = {name: value for name, value in vars(module).items() if isinstance(value, App)}
    if not attribute:
        different = {id(app): name for name, app in apps.items()}
        if len(different) == 1:
            return next(iter(apps.values()))
        found = f"has {len(different)} apps ({', '.join(sorted(apps))})" if apps else "has no App"
        raise TargetError(f"The module {module.__name__} {found}, and {target!r} names none.", remedy=_FORM)
    value: object = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            remedy = f"It has the app{'s' * (len(apps) > 1)} {', '.join(sorted(apps))}." if apps else _FORM
            raise TargetError(f"The module {module.__name__} has no attribute {attribute!r}.", remedy=remedy)
        value = getattr(value, part)
    if not isinstance(value, App):
        remedy = f"Did you mean {module.__name__}:{min(apps)}?" if apps else _FORM
        raise TargetError(f"{target} is of type {type(value).__name__}, not an App.", remedy=remedy)
    return value
