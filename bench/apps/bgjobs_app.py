"""bgjobs: one function without steps, one with three; each run is read back afterwards."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bgjobs
from bench.apps.producing import FOR_EVER, LINGER, Data
from bench.stamps import mark

app = bgjobs.App("bench")
#: Event -> the functions that listen for it, also those of bgjobs_shapes.
EVENTS = {
    "noop": ("work",),
    "steps": ("steps",),
    "fan": tuple(f"fan-{number}" for number in range(10)),
    "many-steps": ("many-steps",),
}
AT_A_TIME = 200  # runs that are read back


@app.function("work", on="noop")
async def work(ctx: bgjobs.Context[Any]) -> int:
    job: int = ctx.event.data["i"]
    mark(job)
    if LINGER:
        await asyncio.sleep(FOR_EVER)
    return job


@app.function("steps", on="steps")
async def steps(ctx: bgjobs.Context[Any]) -> int:
    job: int = ctx.event.data["i"]
    for name in ("first", "second", "third"):
        await ctx.step.run(name, number, job)
    mark(job)
    return job


async def number(job: int) -> int:
    return job


class _Recording:
    """Keeps the run ids that the receipts name, and reads those runs back."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.event = spec.get("event", "noop")
        self._delay = spec.get("delay")
        self._ids: str | None = spec.get("ids") if spec["do"] != "verify" else None
        self._receipts: list[tuple[Data, bgjobs.Receipt | bgjobs.BgjobsError]] = []

    def events(self, jobs: Sequence[Data]) -> list[bgjobs.NewEvent]:
        return [bgjobs.NewEvent(self.event, job, delay=self._delay) for job in jobs]

    def keep(self, jobs: Sequence[Data], receipts: Sequence[bgjobs.Receipt | bgjobs.BgjobsError]) -> None:
        if self._ids:
            self._receipts += zip(jobs, receipts, strict=True)

    def write(self) -> None:
        if self._ids:
            pairs = [
                (job["i"], receipt.run_id(f"bench/{function}"))
                for job, receipt in self._receipts
                if isinstance(receipt, bgjobs.Receipt)
                for function in EVENTS[self.event]
            ]
            Path(self._ids).write_text(json.dumps(pairs))


def _read(ids: str) -> list[tuple[int, str]]:
    pairs: list[tuple[int, str]] = json.loads(Path(ids).read_text())
    return pairs


class Producer(_Recording):
    """The synchronous client."""

    async def open(self) -> None:
        self._client = bgjobs.Client()
        self._client.ping()

    async def many(self, jobs: Sequence[Data]) -> None:
        receipt = self._client.send_many(self.events(jobs))
        receipt.raise_for_errors()
        self.keep(jobs, receipt)

    async def one(self, job: Data) -> None:
        self._client.send(self.event, job)

    async def close(self) -> None:
        self.write()
        self._client.close()


class AsyncProducer(_Recording):
    """The asyncio client."""

    async def open(self) -> None:
        self._client = bgjobs.AsyncClient()
        await self._client.ping()

    async def many(self, jobs: Sequence[Data]) -> None:
        receipt = await self._client.send_many(self.events(jobs))
        receipt.raise_for_errors()
        self.keep(jobs, receipt)

    async def one(self, job: Data) -> None:
        await self._client.send(self.event, job)

    async def verify(self, ids: str) -> tuple[int, list[str]]:
        """How many runs there are, and those that have not completed with their number as result, in words."""
        wrong: list[str] = []
        pairs = _read(ids)
        for start in range(0, len(pairs), AT_A_TIME):
            portion = pairs[start : start + AT_A_TIME]
            runs = await asyncio.gather(*[self._ended(run) for _, run in portion])
            wrong += [
                f"{info.id}: {info.state}, {info.result!r} instead of {job}"
                for (job, _), info in zip(portion, runs, strict=True)
                if info.state != bgjobs.RunState.COMPLETED or info.result != job
            ]
        return len(pairs), wrong

    async def _ended(self, run: str) -> bgjobs.RunInfo:
        info = await self._client.run(run)
        if info.done:
            return info
        # The body has run, and the commit may be on its way.
        await self._client.result(run, timeout=5)
        return await self._client.run(run)

    async def close(self) -> None:
        self.write()
        await self._client.aclose()
