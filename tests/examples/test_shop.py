"""Every function of the shop does what it is an example of; days pass in milliseconds."""

from datetime import datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bgjobs import RunState
from examples.shop import journal, llm, payments
from examples.shop.events import AlbumUploaded, DocumentAdded, OrderPlaced, SignedUp
from tests.examples.conftest import Shop
from tests.waiting import until_async

ADA = "ada@example.org"
OWNER = "owner@shop.example"


def subjects(who: str, what: str) -> list[str]:
    return [deed.subject for deed in journal.deeds(who, what)]


async def test_a_sign_up_starts_three_functions(shop: Shop) -> None:
    sent = await shop.client.send(SignedUp(email=ADA))

    assert await shop.client.result(sent.run_id("open-account"), timeout=30) == 1
    assert await shop.client.result(sent.run_id("subscribe-to-news"), timeout=30) is None
    await shop.run(sent.run_id("welcome-series"), RunState.WAITING)

    assert {run.function for run in await shop.client.runs(sent)} == {
        "shop/open-account",
        "shop/subscribe-to-news",
        "shop/welcome-series",
    }
    assert subjects("accounts", "created") == subjects("newsletter", "subscribed") == [ADA]


async def test_the_welcome_series_sleeps_for_three_days(shop: Shop) -> None:
    sent = await shop.client.send(SignedUp(email=ADA))
    run = sent.run_id("welcome-series")
    await shop.run(run, RunState.WAITING)
    asleep = await shop.step(run, "settle-in", "waiting")
    assert asleep.due is not None
    assert timedelta(days=3) - timedelta(minutes=1) < asleep.due - (await shop.now()) <= timedelta(days=3)

    shop.advance(days=2.9)
    other = await shop.client.send(SignedUp(email="bob@example.org"))  # by now earlier timers would have fired
    await shop.run(other.run_id("welcome-series"), RunState.WAITING)
    assert subjects("mail", ADA) == ["Welcome to the shop"]

    shop.advance(days=0.2)
    woken = await shop.run(run, RunState.COMPLETED)

    assert subjects("mail", ADA) == ["Welcome to the shop", "Five things to try"]
    assert (woken.attempt, woken.crashes) == (1, 0)
    assert subjects("mail", "bob@example.org") == ["Welcome to the shop"]


async def test_an_order_is_charged_once_however_long_the_warehouse_is_down(shop: Shop) -> None:
    journal.switch("warehouse down", 1)
    sent = await shop.client.send(OrderPlaced(order_id="7", email=ADA, cents=4200, items=["tent"]))
    run = sent.run_id("process-order")

    for failures in range(1, 6):
        await until_async(lambda failures=failures: len(journal.deeds("warehouse", "down")) == failures)
        await shop.step(run, "fulfil", "retrying")
        shop.advance(hours=1)
    journal.switch("warehouse down", 0)
    shop.advance(hours=1)

    assert await shop.client.result(run, timeout=30) == {"charge": "ch-1", "parcel": "parcel-7-1"}
    assert payments.charges(ADA) == [4200]
    assert subjects("payments", "asked") == [f"{run}:charge-card"]
    assert subjects("mail", ADA) == ["Order 7 is on its way as parcel-7-1"]
    assert (await shop.client.run(run)).attempt == 1  # a step's attempts are its own


async def test_the_halves_of_an_album_meet_in_two_parallel_steps(shop: Shop) -> None:
    pictures = [f"{number}.jpg" for number in range(5)]
    sent = await shop.client.send(AlbumUploaded(album_id="summer", pictures=pictures))

    address = await shop.client.result(sent.run_id("publish-album"), timeout=30)

    assert address == "https://shop.example/albums/summer?pictures=5"
    assert sorted(subjects("pictures", "shrunk")) == pictures
    opened, fitted = journal.deeds("pictures", "opened"), journal.deeds("pictures", "fitted")
    assert sorted(deed.subject for deed in opened) == ["summer left", "summer right"]
    assert max(deed.at for deed in opened) <= min(deed.at for deed in fitted)


async def test_a_slow_model_is_asked_again_when_it_says_so(shop: Shop) -> None:
    journal.switch("llm seconds", 0.01)
    journal.switch("llm overloads", 3)
    sent = await shop.client.send(DocumentAdded(document_id="d", chapters=["to be or", "whether"]))
    run = sent.run_id("summarise")

    for refusals in range(1, 4):
        await until_async(lambda refusals=refusals: len(subjects("llm", "asked")) == refusals)
        await shop.step(run, "chapter", "retrying")
        shop.advance(seconds=2)

    assert await shop.client.result(run, timeout=30) == "whether"
    assert subjects("llm", "asked") == ["to be or"] * 4 + ["whether", "to whether"]
    progress = (await shop.client.run(run)).progress
    assert progress is not None
    assert (progress.percent, progress.message) == (100, "read chapter 2")


async def test_a_document_out_of_credit_is_a_dead_letter_and_comes_back(shop: Shop) -> None:
    journal.switch("llm seconds", 0.01)
    journal.switch("llm credit", 1)
    sent = await shop.client.send(DocumentAdded(document_id="d", chapters=["to be or", "whether"]))
    run = sent.run_id("summarise")
    failed = await shop.run(run, RunState.FAILED)
    (letter,) = await shop.client.dead_letters.list()
    assert letter.run_id == run
    assert "out of credit" in letter.error.message
    assert failed.error is not None
    assert failed.error.step == "chapter#2"

    journal.switch("llm credit", llm.UNLIMITED)
    assert await shop.client.dead_letters.retry(letter.id) == run

    assert await shop.client.result(run, timeout=30) == "whether"
    assert subjects("llm", "answered") == ["to be or", "whether", "to whether"]
    assert await shop.client.dead_letters.list() == []


@pytest.mark.parametrize("change", [0, 1])
async def test_the_daily_report_comes_at_eight_in_berlin_whatever_the_clocks_do(shop: Shop, change: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    day = clock_changes(berlin, (await shop.now()).astimezone(berlin))[change]
    eves = [datetime.combine(day + timedelta(days=days), time(8), berlin) for days in (-1, 0, 1)]
    payments.charge(ADA, 4200, idempotency_key="k")

    await shop.set_time(eves[0] - timedelta(seconds=30))
    # Of the mornings that passed while nobody worked only the last is made up for.
    await until_async(lambda: len(subjects("mail", OWNER)) == 1)
    for count, eight in enumerate(eves, start=2):
        await shop.set_time(eight - timedelta(seconds=30))
        sent = await shop.client.send(SignedUp(email=f"{count}@example.org"))
        await shop.run(sent.run_id("welcome-series"), RunState.WAITING)
        assert len(subjects("mail", OWNER)) == count - 1  # not a minute early
        await shop.set_time(eight)
        await until_async(lambda count=count: len(subjects("mail", OWNER)) == count)

    assert subjects("mail", OWNER)[1:] == [f"42.00 EUR by {eight:%F} 08:00 {eight:%Z}" for eight in eves]
    assert len({eight.utcoffset() for eight in eves}) == 2  # the clocks did change


def clock_changes(zone: ZoneInfo, after: datetime) -> list[datetime]:
    """The next two days on which the clocks of a zone are changed."""
    midnights = [datetime.combine(after.date() + timedelta(days=days), time(0), zone) for days in range(2, 400)]
    return [one for one, other in pairwise(midnights) if one.utcoffset() != other.utcoffset()][:2]
