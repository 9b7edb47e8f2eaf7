"""What users pass to clients by mistake: refused before anything is written, and the error says what to pass."""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bgjobs import BgjobsError, BulkReceipt, Client, EventModel, NewEvent, RunNotFound, UsageError
from bgjobs.broker.codec import encode
from bgjobs.broker.errors import NotSerialisable, RunFailed
from tests.broker.producing import entries


class Nameless(EventModel):
    amount: int = 1


class Named(EventModel, name="order/created"):
    amount: int = 1


@pytest.fixture
def client(redis_url: str, namespace: str) -> Iterator[Client]:
    with Client(redis_url, namespace=namespace, app="shop") as client:
        yield client


MISTAKES: dict[str, tuple[Callable[[Any], object], str]] = {
    "an event without a name": (lambda c: c.send(Nameless()), 'class Nameless(..., name="order/created")'),
    "a class instead of an event": (lambda c: c.send(Named), "Send one of it: Named(...)"),
    "a key that is a number": (lambda c: c.send("a/b", key=5), "The partition key must be text"),
    "one event in bulk": (lambda c: c.send_many(NewEvent("a/b")), "a list of one"),
    "one typed event in bulk": (lambda c: c.send_many(Named()), "a list of one"),
    "a name in bulk": (lambda c: c.send_many("a/b"), "a list of one"),
    "some callable invoked": (lambda c: c.invoke(print), "Give the decorated function"),
    "a state that there is not": (lambda c: c.list_runs(state="sleeping"), "queued, running, waiting"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_calls(mistake: str, client: Client, redis_url: str, namespace: str) -> None:
    make, says = MISTAKES[mistake]
    with pytest.raises(UsageError) as raised:
        make(client)
    assert says in str(raised.value)
    assert entries(redis_url, namespace) == []


@pytest.mark.parametrize("run", [None, 5, "", "nosuch"])
def test_what_is_no_run_id_is_not_found(run: Any, client: Client) -> None:
    with pytest.raises(RunNotFound, match="is no run id"):
        client.run(run)


def test_a_long_id_is_shown_in_part(client: Client) -> None:
    with pytest.raises(BgjobsError) as raised:
        client.send("a/b", id="x" * 10_000)
    assert len(str(raised.value)) < 200


def test_a_remedy_names_the_run() -> None:
    assert "`bgjobs runs show 00ab`" in str(RunFailed("It failed.", run_id="00ab"))
    assert "`bgjobs runs show ID`" in str(RunFailed("It failed."))


def test_what_can_not_be_stored_is_the_whole_error() -> None:
    """No trail of what the packer stumbled over stands before it in logs and dead letters."""
    with pytest.raises(NotSerialisable) as raised:
        encode({"x": [object()]}, "data")
    assert raised.value.__context__ is None


def test_bulk_outcomes_stay_apart(client: Client) -> None:
    receipt = client.send_many([NewEvent("a/b", math.nan), ("a/b", {}), NewEvent("a b"), NewEvent("a/b")])  # type: ignore[list-item]
    assert isinstance(receipt, BulkReceipt)
    assert [isinstance(outcome, BgjobsError) for outcome in receipt] == [False, True, True, False]
    with contextlib.suppress(BgjobsError):
        receipt.raise_for_errors()
