"""Enqueues for one peer, in that peer's environment: `python -m bench.produce bench.apps.rq_app '{"do": "bulk", ...}'`.

The answer is one line of JSON. Only the enqueueing is timed: data is made and connections are opened before.
"""

import asyncio
import json
import sys
import time
from importlib import import_module
from typing import Any

from bench.apps.producing import Producer, batches, payloads


async def bulk(producer: Producer, spec: dict[str, Any]) -> dict[str, Any]:
    """All jobs, in batches."""
    jobs = list(batches(payloads(spec["first"], spec["jobs"], spec["size"]), spec["batch"]))
    begun = time.perf_counter()
    for batch in jobs:
        await producer.many(batch)
    return {"seconds": time.perf_counter() - begun}


async def single(producer: Producer, spec: dict[str, Any]) -> dict[str, Any]:
    """One after the other, each awaited."""
    jobs = payloads(spec["first"], spec["jobs"], spec["size"])
    begun = time.perf_counter()
    for job in jobs:
        await producer.one(job)
    return {"seconds": time.perf_counter() - begun}


async def paced(producer: Producer, spec: dict[str, Any]) -> dict[str, Any]:
    """One every `interval` seconds; answers when each was begun to be sent."""
    sent = []
    for job in payloads(spec["first"], spec["jobs"], spec["size"]):
        await asyncio.sleep(spec["interval"])
        sent.append(time.monotonic_ns())
        await producer.one(job)
    return {"sent_ns": sent}


async def steady(producer: Producer, spec: dict[str, Any]) -> dict[str, Any]:
    """`rate` per second, what is due every 10 ms at once; answers when each was begun to be sent."""
    sent: list[int] = []
    jobs = payloads(spec["first"], spec["jobs"], spec["size"])
    begun = time.monotonic()
    while len(sent) < len(jobs):
        due = jobs[len(sent) : int((time.monotonic() - begun) * spec["rate"])]
        sent += [time.monotonic_ns()] * len(due)
        if due:
            await producer.many(due)
        await asyncio.sleep(0.01)
    return {"sent_ns": sent}


async def verify(producer: Any, spec: dict[str, Any]) -> dict[str, Any]:
    """Read every run back by its id; only for peers that keep them."""
    read, wrong = await producer.verify(spec["ids"])
    return {"read": read, "wrong": wrong}


DOES = {"bulk": bulk, "single": single, "paced": paced, "steady": steady, "verify": verify}


async def main() -> None:
    app, spec = import_module(sys.argv[1]), json.loads(sys.argv[2])
    producer = getattr(app, spec.get("producer", "Producer"))(spec)
    await producer.open()
    try:
        answer = await DOES[spec["do"]](producer, spec)
    finally:
        await producer.close()
    print(json.dumps(answer))


if __name__ == "__main__":
    asyncio.run(main())
