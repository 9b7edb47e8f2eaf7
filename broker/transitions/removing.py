"""What operators do to functions and apps that are gone: give their runs to others, and forget them."""

from __future__ import annotations

from collections.abc import Sequence

from .call import Call, pack, text


def move_function(runs: Sequence[tuple[str, str]], *, old: str, new: str, queue: str) -> Call[int]:
    """Give queued and waiting runs of one function to another.

    Args:
        runs: run ids, at most 200, each with the references of its limiters as a run of `new` ("": none).
        old, new: function keys of one app.
        queue: where `new` reads, "<app>:<queue>".

    Answers how many were given over.
    """
    return Call("move_function", pack({"runs": list(runs), "from": old, "to": new, "queue": queue}), int)


def remove_functions(app: str, ids: Sequence[str] = (), *, everything: bool = False) -> Call[int]:
    """Forget functions of an app: they match nothing any more, and their crons end. Answers how many were registered.

    `everything`: all of them, and the app's place in the event stream.
    """
    return Call("remove_functions", pack({"app": app, "ids": list(ids), "all": 1 if everything else 0}), int)


def remove_app(app: str) -> Call[str]:
    """Forget an app whose functions were removed. Answers "OK", "missing", or "registered"."""
    return Call("remove_app", pack({"app": app}), text)
