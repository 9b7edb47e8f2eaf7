"""Dead letters in groups, and many of them run again: by filter, from the start, with canaries, until one relapses."""

import asyncio
from typing import Any

import pytest

from bgjobs import App, Concurrency, Context, NewEvent, RunState, UsageError
from tests.waiting import until_async
from tests.worker.live import Live, live


async def ask_bank(order: dict[str, Any]) -> None:
    raise ConnectionError(f"no answer for {order['n']}")


async def ask_post(order: dict[str, Any]) -> None:
    raise ConnectionError(f"no answer for {order['n']}")


class Shop:
    """`pay` fails in one of two places, `ship` in a third, unless they are mended; what ran is written down."""

    def __init__(self) -> None:
        self.app = App("shop", retries=0)
        self.broken = {"bank", "post", "depot"}
        self.seen: list[tuple[str, Any]] = []
        self.charged = 0

        async def charge() -> None:
            self.charged += 1

        @self.app.function("pay", on="pay", concurrency=Concurrency(50, key="event.data.customer"))
        async def pay(ctx: Context[Any]) -> None:
            await ctx.step.run("charge", charge)
            if ctx.event.data["n"] % 3 == 0 and "post" in self.broken:
                await ask_post(ctx.event.data)
            if ctx.event.data["n"] % 3 and "bank" in self.broken:
                await ask_bank(ctx.event.data)
            self.seen.append(("pay", ctx.event.data["n"]))

        @self.app.function("ship", on="ship")
        async def ship(ctx: Context[Any]) -> None:
            if "depot" in self.broken:
                raise LookupError("the depot is empty")
            self.seen.append(("ship", ctx.event.data["n"]))

    async def fail(self, here: Live, name: str, count: int) -> list[str]:
        """Let `count` runs fail, one after the other; their ids."""
        data = [{"n": n, "customer": f"c{n % 2}", "country": "at"} for n in range(count)]
        receipts = await here.client.send_many([NewEvent(name, each) for each in data])
        runs = [receipt.run_id(name) for receipt in receipts]
        for run in runs:
            await here.state(run, RunState.FAILED)
        return runs


async def test_groups_tell_what_failed_where_and_whom_it_affects(redis_url: str, namespace: str) -> None:
    """The same error of two places is two groups; keys of limits, else values that repeat, are counted."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        await shop.fail(here, "pay", 6)
        await shop.fail(here, "ship", 3)
        letters = here.client.dead_letters
        groups = await letters.groups()
        assert [(each.function, each.error_type, each.place.partition(":")[2], each.count) for each in groups] == [
            ("shop/pay", "ConnectionError", "ask_bank", 4),
            ("shop/ship", "LookupError", "Shop.__init__.<locals>.ship", 3),
            ("shop/pay", "ConnectionError", "ask_post", 2),
        ]
        assert len({each.fingerprint for each in groups}) == 3
        bank, depot, _ = groups
        assert [(key.path, dict(key.values), key.looked_at) for key in bank.keys] == [
            ("event.data.customer", {"c0": 2, "c1": 2}, 4)
        ]
        assert next((key.path, key.values) for key in depot.keys) == ("event.data.country", (("at", 3),))
        assert bank.first is not None
        assert bank.last is not None
        assert bank.first <= bank.last
        newest = await letters.get(bank.newest)
        assert (newest.fingerprint, newest.error.message) == (bank.fingerprint, bank.message)
        assert len(await letters.list(fingerprint=bank.fingerprint)) == 4
        assert [each.count for each in await letters.groups(function="ship")] == [3]
        assert await letters.groups(newer_than="1h", error="Nothing") == []
        assert len(await letters.list(newer_than="1h")) == 9
        assert await letters.list(newer_than="1h", older_than="1h") == []


async def test_a_group_is_run_again(redis_url: str, namespace: str) -> None:
    """Only it, from the failed step: what was recorded does not run again. A dry run changes nothing."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        runs = await shop.fail(here, "pay", 6)
        bank = (await letters.groups())[0].fingerprint
        dry = await letters.retry_all(fingerprint=bank, dry_run=True)
        assert (len(dry.matched), dry.retried, dry.left) == (4, (), 4)
        assert len(await letters.list()) == 6
        shop.broken.clear()
        report = await letters.retry_all(fingerprint=bank)
        assert sorted(each.run_id for each in report.retried) == sorted(runs[n] for n in (1, 2, 4, 5))
        assert [each.id for each in report.retried] == list(report.matched) == sorted(report.matched)
        for each in report.retried:
            await here.state(each.run_id, RunState.COMPLETED)
        assert shop.charged == 6
        assert {letter.run_id for letter in await letters.list()} == {runs[0], runs[3]}


async def test_they_are_run_from_the_start(redis_url: str, namespace: str) -> None:
    """As new runs, which repeat every step; the failed ones stay failed, without their letters."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        runs = await shop.fail(here, "pay", 3)
        shop.broken.clear()
        report = await letters.retry_all(function="pay", from_start=True)
        for each in report.retried:
            assert (await here.state(each.run_id, RunState.COMPLETED)).replay_of in runs
        assert shop.charged == 6
        assert await letters.list() == []
        assert [(await here.client.run(run)).state for run in runs] == [RunState.FAILED] * 3


async def test_a_canary_that_fails_keeps_the_others(redis_url: str, namespace: str) -> None:
    """Nothing but the canaries runs; when it is mended, they complete and all others follow."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        await shop.fail(here, "ship", 5)
        report = await letters.retry_all(canary=2)
        assert len(report.retried) == 2
        assert report.stopped.startswith("the canary ")
        assert report.stopped.endswith(" failed")
        assert report.left == 3

        async def all_failed() -> bool:
            return len(await letters.list()) == 5

        await until_async(all_failed)
        shop.broken.clear()
        report = await letters.retry_all(canary=2)
        assert (len(report.retried), report.stopped) == (5, "")
        await until_async(lambda: len(shop.seen) == 5)


async def test_a_canary_that_does_not_end_keeps_the_others(redis_url: str, namespace: str) -> None:
    gate, broken = asyncio.Event(), [True]
    app = App("shop", retries=0)

    @app.function("wait", on="wait")
    async def wait(ctx: Context[Any]) -> None:
        if broken[0]:
            raise ValueError
        await gate.wait()

    async with live(app, redis_url, namespace) as here:
        for _ in range(2):
            await here.state((await here.client.send("wait")).run_id("wait"), RunState.FAILED)
        broken[0] = False
        report = await here.client.dead_letters.retry_all(canary=1, canary_timeout=0.3)
        (canary,) = report.retried
        assert report.stopped == f"the canary {canary.run_id} has not ended within 0.3 s"
        gate.set()
        await here.state(canary.run_id, RunState.COMPLETED)


async def test_it_stops_when_one_fails_as_before(redis_url: str, namespace: str) -> None:
    """The same error from the same place; another error does not stop it."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        await shop.fail(here, "ship", 40)
        report = await letters.retry_all(stop_on_same_error=True, rate=5)
        assert report.stopped.endswith(" failed again of the same LookupError")
        assert 0 < len(report.retried) < 40
        assert report.left == 40 - len(report.retried)


async def test_ids_are_named_instead(redis_url: str, namespace: str) -> None:
    """One that is not there does not keep the others; ids and filters don't go together."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        await shop.fail(here, "ship", 2)
        shop.broken.clear()
        ids = [letter.id for letter in await letters.list()]
        report = await letters.retry_all(ids=[*ids, "1-1"])
        assert [each.id for each in report.retried] == ids
        assert [(each.id, "There is no dead letter" in each.reason) for each in report.failed] == [("1-1", True)]
        for wrong in ({"ids": ids, "function": "ship"}, {"rate": 0}, {"canary": 0}, {"rate": -1.0}):
            with pytest.raises(UsageError):
                await letters.retry_all(**wrong)  # type: ignore[arg-type]
