"""Which queues a worker serves, and what orders two registrations."""

from typing import Any

import pytest

from bgjobs import App, Context, UsageError
from bgjobs.worker.registration import served_queues, stamp


def app() -> App:
    made = App("shop")
    for queue in ("default", "heavy", "mail"):

        @made.function(f"in-{queue}", queue=queue)
        async def body(ctx: Context[Any]) -> None: ...

    return made


def test_all_queues_or_those_asked_for() -> None:
    assert served_queues(app(), ()) == ("default", "heavy", "mail")
    assert served_queues(app(), ("mail", "heavy")) == ("heavy", "mail")


def test_a_queue_that_does_not_exist_is_not_served_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    assert served_queues(app(), ("mail", "male")) == ("mail",)
    assert "male" in caplog.text
    with pytest.raises(UsageError, match=r"in the queue male.*default, heavy, mail"):
        served_queues(app(), ("male",))


def test_versions_are_ordered_by_their_numbers() -> None:
    """R9: 1.10 is newer than 1.9; of equal versions the supervisor that started later."""
    ordered = [("", 5), ("0.9", 1), ("1.9", 7), ("1.10", 1), ("1.10", 2), ("1.10.1", 0), ("2", 0), ("10", 0)]
    stamps = [stamp(version, started) for version, started in ordered]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) == len(stamps)
