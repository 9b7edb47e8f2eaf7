"""How often Python looks for garbage in cycles. Its default suits scripts: here it would be a sixth of a run's cost."""

from __future__ import annotations

import gc

_DEFAULT = (700, 10, 10)
#: A look at the young objects comes when so many more were made than went away. At the default the records of a few
#: dozen runs that are in flight suffice, over and over, though what a finished run leaves goes without any look.
_SELDOM = (10_000, 20, 50)


def look_seldom() -> None:
    """Spare what is there now, mostly modules, from all looks, and look less often; unless the user chose otherwise."""
    if gc.isenabled() and gc.get_threshold() == _DEFAULT:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_SELDOM)
