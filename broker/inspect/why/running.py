"""What a running run is doing: on which worker, since when, and whether it was asked to stop."""

from __future__ import annotations

from ...conversation import Talk, reliably
from ...explanation import Hold, HoldReason
from ...run_info import moment
from .facts import Asking, Facts
from .pending import explain_pending


def explain_running(asking: Asking, facts: Facts) -> Talk[list[Hold]]:
    """Where it runs, then what it waits for there."""
    keys, worker = asking.keys, facts["w"]
    lease, host, deadline = yield from reliably(
        asking.patience,
        ("ZSCORE", keys("wk"), worker),
        ("HMGET", keys(f"wi:{worker}"), "host", "pid"),
        ("ZSCORE", keys("dl"), f"c|{facts.run_id}|{facts['g']}"),
    )
    holds: list[Hold] = []
    if facts["x"]:
        text = f"it was asked to stop ({facts['x']}); its worker has ten seconds for it"
        holds.append(Hold(reason=HoldReason.STOPPING, text=text, name=worker, due=moment(deadline)))
    where = f"{worker} (process {host[1].decode()} on {host[0].decode()})" if all(host) else worker
    text = f"it runs on {where}"
    holds.append(Hold(reason=HoldReason.RUNNING, text=text, name=worker, due=None))
    if lease is None or float(lease) <= asking.now_ms:
        text = "the lease of its worker is over: another one takes it back"
        holds.insert(0, Hold(reason=HoldReason.WORKER_LOST, text=text, name=worker, due=moment(lease)))
    if facts.pending:
        holds += yield from explain_pending(asking, facts)
    return holds
