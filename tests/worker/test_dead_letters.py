"""Dead letters of live workers, through the client: found, run again as they are or elsewhere, and let go."""

import time
from typing import Any

import pytest

from bgjobs import App, Context, DeadLetterNotFound, FunctionNotFound, NewEvent, RunState
from bgjobs.broker.keys import Keys
from tests.waiting import until_async
from tests.worker.live import Live, live


class Shop:
    """An app whose functions fail until they are told not to."""

    def __init__(self) -> None:
        self.app = App("shop", retries=0)
        self.broken = True
        self.seen: list[tuple[str, Any]] = []
        for name in ("pay", "ship", "mail"):
            self._register(name)

        @self.app.function("by-hand")
        async def by_hand(ctx: Context[Any]) -> str:
            self.seen.append(("by-hand", ctx.event.data))
            return "by hand"

    def _register(self, name: str) -> None:
        @self.app.function(name, on=name)
        async def body(ctx: Context[Any]) -> str:
            if self.broken:
                raise (TimeoutError if name == "mail" else ValueError)(f"{name}: no answer from {ctx.event.data}")
            self.seen.append((name, ctx.event.data))
            return name

    async def fail(self, here: Live, name: str, *data: Any) -> list[str]:
        """Let runs of a function fail; their ids."""
        receipts = await here.client.send_many([NewEvent(name, each) for each in data])
        runs = [receipt.run_id(name) for receipt in receipts]
        for run in runs:
            await here.state(run, RunState.FAILED)
        return runs


async def test_they_are_found_by_function_error_and_age(redis_url: str, namespace: str) -> None:
    """The newest first, page by page; each knows its run, its event and its whole error."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        first = await shop.fail(here, "pay", *range(5))
        reached = time.monotonic()
        await until_async(lambda: time.monotonic() - reached > 1.1)
        await shop.fail(here, "ship", "the depot")
        await shop.fail(here, "mail", "the host")
        assert [letter.function for letter in await letters.list(limit=2)] == ["shop/mail", "shop/ship"]
        assert len(await letters.list()) == 7
        assert {letter.run_id for letter in await letters.list(function="pay")} == set(first)
        assert {letter.run_id for letter in await letters.list(function="shop/pay")} == set(first)
        assert [letter.function for letter in await letters.list(error="TimeoutError")] == ["shop/mail"]
        assert [letter.function for letter in await letters.list(error="the depot")] == ["shop/ship"]
        assert {letter.function for letter in await letters.list(older_than=1)} == {"shop/pay"}
        assert await letters.list(function="pay", error="TimeoutError") == []
        page = await letters.list(function="pay", limit=3)
        rest = await letters.list(function="pay", limit=3, before=page[-1].id)
        assert len({letter.run_id for letter in (*page, *rest)}) == 5
        letter = await letters.get(rest[-1].id)
        assert (letter.kind, letter.event_name, letter.reason, letter.attempts) == ("run", "pay", "error", 1)
        assert letter.error.message == f"pay: no answer from {letter.error.message[-1]}"
        assert 'raise (TimeoutError if name == "mail" else ValueError)' in letter.error.traceback
        same = {each.fingerprint for each in (*page, *rest)}
        assert len(same) == 1
        with pytest.raises(DeadLetterNotFound):
            await letters.get("1-1")


async def test_one_is_run_again_as_it_is(redis_url: str, namespace: str) -> None:
    """Its run goes on and the letter is gone; if it fails again there is a new one; asking twice runs it once."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        [run] = await shop.fail(here, "pay", 1)
        [letter] = await letters.list()
        assert await letters.retry(letter.id) == run

        async def another() -> bool:
            return [each.id != letter.id for each in await letters.list()] == [True]

        await until_async(another)
        with pytest.raises(DeadLetterNotFound):
            await letters.retry(letter.id)
        shop.broken = False
        [letter] = await letters.list()
        assert await letters.retry(letter.id) == run
        assert await here.client.result(run, timeout=30) == "pay"
        assert await letters.list() == []
        assert (await here.client.run(run)).replays == 2
    assert shop.seen == [("pay", 1)]


async def test_one_is_given_to_another_function_or_with_other_data(redis_url: str, namespace: str) -> None:
    """An invocation with the event's data, changed by parts; the failed run stays, its letter goes."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        runs = await shop.fail(here, "pay", *({"order": n, "card": "old"} for n in range(3)))
        by_run = {letter.run_id: letter.id for letter in await letters.list()}
        elsewhere = await letters.retry(by_run[runs[0]], to="by-hand")
        assert await here.client.result(elsewhere, timeout=30) == "by hand"
        changed = await letters.retry(by_run[runs[1]], to="shop/by-hand", data={"card": "new"})
        assert await here.client.result(changed, timeout=30) == "by hand"
        shop.broken = False
        same = await letters.retry(by_run[runs[2]], data={"card": "new", "note": None})
        assert same != runs[2]
        assert await here.client.result(same, timeout=30) == "pay"
        assert await letters.list() == []
        assert [(await here.client.run(run)).state for run in runs] == [RunState.FAILED] * 3
        shop.broken = True
        await shop.fail(here, "ship", {"order": 4})
        [letter] = await letters.list()
        with pytest.raises(FunctionNotFound):
            await letters.retry(letter.id, to="no-such-function")
        assert await letters.list() == [letter]
    assert shop.seen == [
        ("by-hand", {"order": 0, "card": "old"}),
        ("by-hand", {"order": 1, "card": "new"}),
        ("pay", {"order": 2, "card": "new", "note": None}),
    ]


async def test_all_are_run_again_at_a_rate(redis_url: str, namespace: str) -> None:
    """Only those that the filters mean, only those that were there at the beginning, and not faster than asked."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        await shop.fail(here, "pay", *range(5))
        [shipped] = await shop.fail(here, "ship", 1)
        assert (await letters.retry_all(error="TimeoutError")).matched == ()

        async def failed_again() -> bool:
            return len(await letters.list(function="pay")) == 5

        assert (
            len((await letters.retry_all(function="pay")).retried) == 5
        )  # they fail again, and are not taken once more
        await until_async(failed_again)
        shop.broken = False
        begun = time.monotonic()
        assert len((await letters.retry_all(function="pay", rate=10)).retried) == 5
        assert time.monotonic() - begun >= 0.4
        await until_async(lambda: len(shop.seen) == 5)
        [left] = await letters.list()
        assert left.run_id == shipped
    assert sorted(shop.seen) == [("pay", n) for n in range(5)]


async def test_discard_and_purge(redis_url: str, namespace: str, raw: Any) -> None:
    """The runs stay failed; nothing else is touched."""
    shop = Shop()
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        paid = await shop.fail(here, "pay", *range(4))
        await shop.fail(here, "mail", 1)
        await shop.fail(here, "ship", 1)
        first = (await letters.list(function="pay"))[0]
        assert await letters.discard(first.id)
        assert not await letters.discard(first.id)
        assert (await here.client.run(first.run_id or "")).dead_letter is None
        assert await letters.purge(error="TimeoutError") == 1
        assert await letters.purge(function="pay", older_than="1h") == 0
        assert await letters.purge(function="pay") == 3
        assert [letter.function for letter in await letters.list()] == ["shop/ship"]
        assert await letters.purge() == 1
        assert await letters.list() == []
        assert [(await here.client.run(run)).state for run in paid] == [RunState.FAILED] * 4
        assert await raw.xlen(Keys(namespace)("dq")) == 0


async def test_an_event_that_can_not_be_ingested_is_repaired_and_sent_again(
    redis_url: str, namespace: str, raw: Any
) -> None:
    """R11: its raw entry is kept with the reason; with other data it becomes the event that it should have been."""
    shop = Shop()
    shop.broken = False
    async with live(shop.app, redis_url, namespace) as here:
        letters = here.client.dead_letters
        await raw.xadd(Keys(namespace).events, {"n": "pay", "i": "p-1", "d": b"\xc1 is no msgpack", "k": "k" * 20})

        async def buried() -> Any:
            found = await letters.list()
            return found[0] if found else None

        letter = await until_async(buried)
        assert (letter.kind, letter.event_name, letter.event_id, letter.function) == ("event", "pay", "p-1", "shop")
        assert letter.run_id is None
        assert await letters.retry(letter.id, data={"order": 1}) == "p-1"
        await until_async(lambda: shop.seen == [("pay", {"order": 1})])
        assert await letters.list() == []
