"""Step keys: a step's id, and which use of it this is (R4)."""

from __future__ import annotations

import re
from collections.abc import Hashable

from ...broker.defaults import MAX_STEP_ID_LENGTH, MAX_STEPS
from ..errors import InvalidStepId, SharedStepId, TooManySteps

_LOOKS_COUNTED = re.compile(r"#\d+\Z")


class StepKeys:
    """Counts the uses of each step id in one execution of a run.

    The count is per task: one task's own code decides the order of its steps, the same on every resume. Between two
    tasks the order depends on which one is faster, so an id belongs to the task that used it first.
    """

    __slots__ = ("_total", "_uses")

    def __init__(self) -> None:
        self._uses: dict[str, tuple[Hashable, int]] = {}
        self._total = 0

    def next(self, id: str, strand: Hashable) -> str:
        """The key of the next use of `id`.

        Args:
            id: what the function calls the step.
            strand: the task (or thread) that calls it.

        Raises:
            InvalidStepId, SharedStepId, TooManySteps.
        """
        used = self._uses.get(id)
        if used is None:
            _check(id)
            owner, count = strand, 0
        else:
            owner, count = used
            if owner is not strand and owner != strand:
                raise SharedStepId(id)
        if self._total >= MAX_STEPS:
            raise TooManySteps(f"The run has more than {MAX_STEPS:,} steps.")
        self._total += 1
        self._uses[id] = (strand, count + 1)
        return step_key(id, count + 1)


def step_key(id: str, use: int) -> str:
    """The key of the `use`-th use of a step id, from 1.

    The first use keeps the id as it is, so that people find the name they gave; an id that itself ends like a counted
    one gets its count even then. So no two (id, use) share a key.
    """
    return f"{id}#{use}" if use > 1 or _LOOKS_COUNTED.search(id) else id


def _check(id: object) -> None:
    if not isinstance(id, str):
        raise InvalidStepId(
            f"A step's id is text, not {type(id).__name__}.", remedy='Write `ctx.step.run("name", function, ...)`.'
        )
    if not id or id != id.strip() or not id.isprintable():
        raise InvalidStepId(
            f"{id!r} can't be a step id.", remedy="Use printable text without space at its ends, such as `charge-card`."
        )
    if id.startswith("@"):
        raise InvalidStepId(f"{id!r} can't be a step id.", remedy="Ids that begin with @ are reserved.")
    if len(id.encode("utf-8", "replace")) > MAX_STEP_ID_LENGTH:
        raise InvalidStepId(
            f"The step id {id[:40]!r}... is longer than {MAX_STEP_ID_LENGTH} bytes.",
            remedy="Use a short name and pass the rest as data.",
        )
