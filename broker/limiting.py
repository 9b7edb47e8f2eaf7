"""Changing limits at run time (R40)."""

from __future__ import annotations

from .conversation import Talk
from .defaults import MAX_THROTTLE
from .durations import Duration, milliseconds
from .errors import NotFound, UsageError
from .inspect.limits import LimitInfo, limit_text, read_limits
from .pausing import check_reason, this_actor
from .requests import Requests
from .transitions import set_limit as set_limit_call


def set_limit(
    requests: Requests,
    target: str,
    limit: int,
    *,
    period: Duration | None,
    burst: int | None,
    actor: str | None,
    reason: str,
) -> Talk[LimitInfo]:
    """Let an operator's value hold instead of the code's; answers the limit as it stands then.

    Raises:
        NotFound: no registered function has such a limit.
        UsageError: the numbers can't be used, or do not fit the kind of limit.
    """
    check_reason(reason)
    found = yield from _find(requests, target)
    _check("limit", limit)
    if found.kind == "concurrency":
        if period is not None or burst is not None:
            raise UsageError(f"{found.target} limits concurrency: it has no period.", remedy="Give a number only.")
        value, text = str(limit), limit_text(limit, None, None)
    else:
        length = round((found.period or 1) * 1000) if period is None else milliseconds(period, what="period")
        if length < 1:
            raise UsageError("The period of a throttle is 0.", remedy="Give more than 0.")
        at_once = (found.burst or 1) if burst is None else burst
        _check("burst", at_once)
        value, text = f"{limit} {length} {at_once}", limit_text(limit, length / 1000, at_once)
    what = f"limit {found.target} to {text}"
    yield from requests.do(set_limit_call(found.id, value, actor=actor or this_actor(), what=what, reason=reason))
    return (yield from _find(requests, found.id))


def clear_limit(requests: Requests, target: str, *, actor: str | None, reason: str) -> Talk[bool]:
    """Let the code's value hold again; answers whether an operator's did. Raises NotFound."""
    check_reason(reason)
    found = yield from _find(requests, target)
    call = set_limit_call(found.id, "", actor=actor or this_actor(), what=f"limit {found.target}", reason=reason)
    return (yield from requests.do(call))


def _find(requests: Requests, target: str) -> Talk[LimitInfo]:
    limits = yield from read_limits(requests.keys, requests.patience())
    names = {target, f"{requests.app}/{target}", f"throttle:{requests.app}/{target.removeprefix('throttle:')}"}
    for exact in ({target}, names):
        for limit in limits:
            if limit.target in exact or limit.id == target:
                return limit
    known = ", ".join(limit.target for limit in limits[:20]) or "none"
    raise NotFound(f"No registered function has a limit {target!r}.", remedy=f"There are: {known}.")


def _check(what: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_THROTTLE:
        raise UsageError(
            f"The {what} is {value!r}.",
            remedy=f"Give a whole number from 1 to {MAX_THROTTLE:,}; to stop a function, pause it.",
        )
