"""How jobs are enqueued, whatever the peer."""

import json
from collections.abc import Sequence
from typing import Any

from bench.apps.producing import Data, batches, payloads
from bench.produce import bulk, paced, single, steady


class Recording:
    """A producer that remembers what it was given."""

    def __init__(self) -> None:
        self.sent: list[Data] = []
        self.calls = 0

    async def open(self) -> None: ...

    async def many(self, jobs: Sequence[Data]) -> None:
        self.sent += jobs
        self.calls += 1

    async def one(self, job: Data) -> None:
        await self.many([job])

    async def close(self) -> None: ...


SPEC: dict[str, Any] = {"first": 20, "jobs": 7, "size": 64, "batch": 3, "interval": 0.0, "rate": 1_000_000}


async def test_every_way_sends_every_job_once_and_in_order() -> None:
    for way in (bulk, single, paced, steady):
        producer = Recording()
        await way(producer, SPEC)
        assert [job["i"] for job in producer.sent] == list(range(20, 27)), way.__name__


async def test_bulk_sends_in_portions() -> None:
    producer = Recording()
    await bulk(producer, SPEC)
    assert producer.calls == 3
    assert [len(batch) for batch in batches(payloads(0, 7, 64), 3)] == [3, 3, 1]


async def test_each_send_has_its_time() -> None:
    """Also where several are sent at once."""
    for way in (paced, steady):
        sent = (await way(Recording(), SPEC))["sent_ns"]
        assert len(sent) == 7
        assert sent == sorted(sent)


def test_a_payload_has_the_size_that_was_asked_for() -> None:
    assert {len(json.dumps(job)) for job in payloads(1_000_000, 3, 200)} == {200}
