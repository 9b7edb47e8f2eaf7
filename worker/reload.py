"""Tells the supervisor when the code has changed, for `bgjobs dev`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ..define.errors import MissingExtra

logger = logging.getLogger("bgjobs.supervisor")


def code_watcher(folders: Sequence[Path]) -> Callable[[Callable[[], None]], None]:
    """A watcher of the Python files in `folders` (virtual environments, caches and hidden folders left out).

    Returns:
        A function that begins to watch; what is given to it is called, from another thread, after each burst of
        changes.

    Raises:
        MissingExtra: watchfiles is not installed.
    """
    try:
        from watchfiles import PythonFilter, watch
    except ImportError:
        raise MissingExtra("Watching the code needs watchfiles; --no-reload goes without.", "dev") from None

    def begin(changed: Callable[[], None]) -> None:
        def keep_watching() -> None:
            # Polling is its own fallback where the system can't tell, such as on network drives.
            for changes in watch(*folders, watch_filter=PythonFilter(), raise_interrupt=False):
                names = sorted({Path(path).name for _, path in changes})
                logger.info("changed: %s", ", ".join(names[:3]) + (" ..." if len(names) > 3 else ""))
                changed()

        threading.Thread(target=keep_watching, name="bgjobs-reload", daemon=True).start()

    return begin
