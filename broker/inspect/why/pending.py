"""What a waiting run waits for: each pending step with its due time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...conversation import Talk
from ...explanation import Hold, Holder, HoldReason
from ...model import PendKind
from ...run_info import moment
from .facts import Asking, Facts
from .limits import describe_runs


def explain_pending(asking: Asking, facts: Facts) -> Talk[list[Hold]]:
    """Its pending steps, the next to be due first."""
    # Not what ends the run: cancel_on and time-outs.
    ends = (PendKind.CANCEL_ON.value.encode(), PendKind.TIMEOUT.value.encode())
    waited = {step: entry for step, entry in facts.pending.items() if entry[0] not in ends}
    children = {
        step: entry[2].decode() for step, entry in facts.pending.items() if entry[0] == PendKind.INVOKE.value.encode()
    }
    described = yield from describe_runs(asking, list(children.values()))
    by_id = {child.run_id: child for child in described}
    holds = [_hold(step, entry, by_id.get(children.get(step, "")), facts) for step, entry in waited.items()]
    return sorted(holds, key=lambda hold: (hold.due is None, hold.due))


def _hold(step: str, entry: Sequence[Any], child: Holder | None, facts: Facts) -> Hold:
    due = moment(float(entry[1]))
    match entry[0].decode():
        case PendKind.SLEEP:
            return Hold(reason=HoldReason.SLEEP, text=f"it sleeps (step {step})", step=step, due=due)
        case PendKind.EVENT:
            name, path = entry[2].decode(), entry[3].decode()
            where = f" with its own value at {path}" if path else ""
            text = f"it waits for an event {name}{where} (step {step})"
            return Hold(reason=HoldReason.EVENT, text=text, name=name, step=step, due=due)
        case PendKind.SIGNAL:
            name = entry[2].decode()
            return Hold(
                reason=HoldReason.SIGNAL,
                text=f'it waits for the signal "{name}" (step {step})',
                name=name,
                step=step,
                due=due,
            )
        case PendKind.INVOKE:
            run = entry[2].decode()
            what = f"{run} of {child.function}, which is {child.state}" if child else run
            return Hold(
                reason=HoldReason.CHILD,
                text=f"it waits for the run {what} (step {step})",
                name=child.function if child else "",
                step=step,
                holders=(child,) if child else (),
                due=due,
            )
        case PendKind.DEBOUNCE:
            latest = moment(float(entry[3]))
            text = (
                f"its debounce waits for a later event until then, and until {latest:%Y-%m-%d %H:%M:%S} at the latest"
            )
            return Hold(reason=HoldReason.COLLECTING, text=text, name="debounce", due=due)
        case PendKind.BATCH:
            text = f"its batch collects events; it has {int(entry[3]):,} with {int(entry[4]):,} bytes of data"
            return Hold(reason=HoldReason.COLLECTING, text=text, name="batch", due=due)
        case _ if step == "@run":
            text = f"its attempt {facts.number('a')} failed; the next one comes after a back-off"
            return Hold(reason=HoldReason.BACKOFF, text=text, due=due)
        case _:
            text = f"the step {step} failed; the next try comes after a back-off"
            return Hold(reason=HoldReason.BACKOFF, text=text, step=step, due=due)
