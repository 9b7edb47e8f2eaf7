"""From stream entries to runs: duplicates, versions, marks, delayed events, and what is not an event at all."""

import msgpack
import pytest

from bgjobs.broker import ids
from bgjobs.broker import operations as op
from bgjobs.broker.model import PendKind
from bgjobs.broker.transitions import delayed
from tests.broker.driver import Driver, Function

HOUR = 3_600_000


async def created(*apps: Driver) -> int:
    """Ingest all that is new for these apps; answers the runs that were created."""
    count = 0
    for app in apps:
        count += sum([reply.created for reply in await app.ingest()])
    return count


@pytest.mark.parametrize("generated", [False, True], ids=["supplied id", "generated id"])
async def test_duplicates_are_acknowledged_and_counted(driver: Driver, generated: bool) -> None:
    """R2: in one batch, in the next, and for as long as the id is remembered; the run may be gone by then."""
    event_id = await driver.send(generated=generated)
    await driver.send(id=event_id, generated=generated)
    await driver.send(id=event_id, generated=generated)
    events = await driver.read(2)
    reply = await driver.ingest_once(events)
    assert (reply.created, reply.duplicates) == (1, 1)
    (run,) = await driver.lease("w1")
    await driver.complete(run)
    await driver.raw.delete(driver.keys.run(run.id))
    reply = await driver.ingest_once(await driver.read())
    assert (reply.created, reply.duplicates) == (0, 1)
    assert await driver.pending() == []


async def test_equal_ids_of_other_names_and_apps_are_no_duplicates(driver: Driver) -> None:
    """R1: the event key holds the name, the run id the app."""
    other = Driver(driver.broker, "mail")
    await other.register(Function(id="f", names=["go", "come"]))
    await driver.register(Function(id="f", names=["go", "come"]))
    for name in ("go", "come"):
        await driver.send(name, id="1")
    assert await created(driver) == 2
    assert await created(other) == 2


async def test_the_claim_of_an_event_that_was_not_ingested_is_not_taken(driver: Driver) -> None:
    """R2, R8: a stale event comes again, and is no duplicate of itself."""
    await driver.send()
    events = await driver.read()
    versions = await driver.matched(events)
    await driver.register(Function(id="f"), Function(id="g"))
    assert (await driver.ingest_once(events, versions)).stale == (0,)
    assert len(await driver.pending()) == 1
    reply = await driver.ingest_once(events)
    assert (reply.created, reply.duplicates) == (2, 0)


async def test_stale_is_per_name(driver: Driver) -> None:
    """R8: a change to the triggers of one name lets the others go on; one of a wildcard concerns all."""
    await driver.register(Function(id="f", names=["go"]), Function(id="g", names=["come"]))
    await driver.send("go")
    await driver.send("come")
    events = await driver.read()
    versions = await driver.matched(events)
    await driver.register(Function(id="f", names=["go"]), Function(id="g", names=["come", "leave"]))
    reply = await driver.ingest_once(events, versions)
    assert (reply.stale, reply.created) == ((1,), 1)


async def test_equal_content_makes_nothing_stale(driver: Driver) -> None:
    """R9: a restart of the same version bumps no version."""
    before = await driver.raw.hgetall(driver.keys("fv:shop"))
    _, changed, retired, _, _ = await driver.register(Function(id="f"))
    assert (changed, retired) == (0, 0)
    assert await driver.raw.hgetall(driver.keys("fv:shop")) == before


async def test_more_than_one_calls_work_is_left_for_the_next(driver: Driver) -> None:
    """R23: 30 functions for each of 40 events; nothing is lost, nothing created twice."""
    await driver.register(*(Function(id=f"f{number}") for number in range(30)))
    for _ in range(40):
        await driver.send()
    replies = await driver.ingest()
    assert len(replies) > 1
    assert max(reply.created for reply in replies) <= 400
    assert sum(reply.created for reply in replies) == 1200
    assert await driver.raw.zcard(driver.keys("q:shop:default")) == 1200


async def test_a_bad_event_is_one_dead_letter(driver: Driver) -> None:
    """R11: however often it is ingested; the others of its batch proceed."""
    await driver.send()
    await driver.send()
    events = await driver.read()
    versions = await driver.matched(events)
    events[0].bad, events[0].matches = "it is not msgpack", []
    assert (await driver.ingest_once(events, versions)).created == 1
    await driver.ingest_once(events[:1], versions)
    ((_, letter),) = await driver.raw.xrange(driver.keys("dq"))
    assert (letter[b"k"], letter[b"r"], letter[b"m"]) == (b"event", events[0].stream_id.encode(), b"it is not msgpack")
    assert await driver.pending() == []


async def test_an_event_that_errs_harms_no_other(driver: Driver) -> None:
    """R23, R11: it stays pending, to be ingested alone in the end; the runs made before it are in their queue."""
    await driver.register(Function(id="f"), Function(id="g", names=["odd"], limiters="A"))
    await driver.raw.set(driver.keys("lc:A"), "not a set")  # nothing of ours writes this
    for name in ("go", "odd", "go"):
        await driver.send(name)
    reply = await driver.ingest_once(await driver.read())
    assert reply.created == 2
    assert len(await driver.lease("w1")) == 2
    assert [event.name for event in await driver.pending()] == ["odd"]
    await driver.raw.delete(driver.keys("lc:A"))
    assert (await driver.ingest_once(await driver.pending())).created == 1


# Where a group begins, and begins again.


async def _delivered(driver: Driver) -> bytes:
    (group,) = [
        each for each in await driver.raw.xinfo_groups(driver.keys.events) if each["name"] == driver.app.encode()
    ]
    return bytes(group["last-delivered-id"])


async def test_the_first_app_begins_at_the_oldest_event_a_later_one_at_the_end(driver: Driver) -> None:
    """R3: unless it is told otherwise; the group stands as soon as the app is registered."""
    await driver.send()
    later, asked = Driver(driver.broker, "later"), Driver(driver.broker, "asked")
    assert (await later.register(Function(id="f"), start_at=""))[3] == "$"
    await asked.register(Function(id="f"), start_at="begin")
    await driver.send()
    assert len(await driver.read()) == 2
    assert len(await later.read()) == 1
    assert len(await asked.read()) == 2


async def test_a_lost_group_resumes_at_its_mark(driver: Driver) -> None:
    """R3: what was acknowledged does not come again, what was pending does."""
    for _ in range(5):
        await driver.send()
    first, second, third, *_ = events = await driver.read()
    await driver.ingest_once([first])
    await driver.ingest_once([third])
    assert await driver.raw.get(driver.keys("ga:shop")) == b"<" + second.stream_id.encode()
    await driver.raw.xgroup_destroy(driver.keys.events, "shop")
    await driver.register(Function(id="f"))
    again = await driver.read()
    assert [event.stream_id for event in again] == [event.stream_id for event in events[1:]]
    reply = await driver.ingest_once(again)
    assert (reply.created, reply.duplicates) == (3, 1)


async def test_the_mark_does_not_fall_back_to_an_entry_that_was_taken_over_late(driver: Driver) -> None:
    """R3: when nothing is pending any more, all that was delivered is acknowledged."""
    for _ in range(5):
        await driver.send()
    events = await driver.read()
    await driver.ingest_once(events[1:])
    await driver.ingest_once(events[:1])
    assert await driver.raw.get(driver.keys("ga:shop")) == events[-1].stream_id.encode()
    await driver.send()
    (last,) = await driver.read()
    await driver.ingest_once([last])
    assert await driver.raw.get(driver.keys("ga:shop")) == last.stream_id.encode()


async def test_a_group_that_is_lost_before_its_first_event_does_not_start_over(driver: Driver) -> None:
    """R3: at 0 only if mark and stream are both gone."""
    await driver.send()
    later = Driver(driver.broker, "later")
    await later.register(Function(id="f"), start_at="end")
    await driver.raw.xgroup_destroy(driver.keys.events, "later")
    await driver.send()
    await later.register(Function(id="f"))
    assert len(await later.read()) == 1
    await driver.raw.delete(driver.keys.events, driver.keys("ga:later"))
    await driver.send()
    await later.register(Function(id="f"))
    assert len(await later.read()) == 1


async def test_a_group_that_vanishes_before_ingest_loses_nothing(driver: Driver) -> None:
    """R3, R23: the runs are in their queue; the events come again and are recognised."""
    await driver.send()
    events = await driver.read()
    await driver.raw.xgroup_destroy(driver.keys.events, "shop")
    await driver.ingest_once(events)
    assert len(await driver.lease("w1")) == 1
    await driver.register(Function(id="f"))
    assert (await driver.ingest_once(await driver.read())).duplicates == 1


# Delayed events.


async def due_in(driver: Driver, ms: int, **options: str) -> str:
    return await driver.send("go", "late", due_ms=await driver.now() + ms, **options)  # type: ignore[arg-type]


async def test_a_delayed_event_is_matched_when_it_is_due(driver: Driver) -> None:
    """R51: nothing is pending until then; matching is what holds then; all apps get it, once."""
    mail = Driver(driver.broker, "mail")
    await mail.register(Function(id="f"))
    event_id = await due_in(driver, HOUR)
    for app in (driver, mail):
        assert await created(app) == 0
        assert await app.pending() == []
    await driver.register(Function(id="f"), Function(id="g"))
    driver.advance(HOUR)
    await driver.fire()
    assert await created(driver) == 2
    assert await created(mail) == 1
    (run,) = [run for run in await driver.lease("w1") if run.function == "f"]
    assert (run.event_id, msgpack.unpackb(run.data)) == (event_id, "late")
    assert await driver.raw.pttl(driver.keys(f"fe:{_key(event_id)}")) > 0


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_an_app_that_lags_gets_a_delayed_event_once(driver: Driver, together: bool) -> None:
    """R51: it reads the entry when it is due already, and then the one from the timer."""
    mail = Driver(driver.broker, "mail")
    await mail.register(Function(id="f"))
    await due_in(driver, HOUR)
    await driver.ingest()
    driver.advance(HOUR)
    if not together:
        assert await created(mail) == 0
    await driver.fire()
    assert await created(mail) == 1


async def test_a_delayed_event_that_is_due_when_it_is_first_read_is_ingested_at_once(driver: Driver) -> None:
    """R51: nobody has put it off."""
    await due_in(driver, HOUR)
    driver.advance(HOUR)
    assert await created(driver) == 1


async def test_a_delayed_event_ends_no_wait_before_it_is_due(driver: Driver) -> None:
    """R51: matching and policies happen then, and so do waits."""
    run = await driver.start()
    await driver.apply("w1", op.pend(run, "e:0", PendKind.EVENT, delay_ms=10 * HOUR, spec=op.wait_spec("go", "", "")))
    await due_in(driver, HOUR)
    await driver.ingest()
    assert "c:e:0" not in await driver.steps(run.id)
    driver.advance(HOUR)
    await driver.fire()
    await driver.ingest()
    assert "c:e:0" in await driver.steps(run.id)


async def test_a_delayed_event_can_be_cancelled(driver: Driver) -> None:
    """R51: for all apps, those that lag too; not any more once it is due."""
    mail = Driver(driver.broker, "mail")
    await mail.register(Function(id="f"))
    event_id = await due_in(driver, HOUR)
    await driver.ingest()
    assert await driver.broker.do(delayed(_key(event_id)))
    assert not await driver.broker.do(delayed(_key(event_id)))
    driver.advance(2 * HOUR)
    await driver.fire()
    assert await created(driver, mail) == 0
    assert await driver.raw.exists(driver.keys("dl")) == 0


async def test_a_delayed_event_can_be_moved(driver: Driver) -> None:
    """R51: later and earlier; an app that reads the first entry when that is due does not start it."""
    mail = Driver(driver.broker, "mail")
    await mail.register(Function(id="f"))
    event_id = await due_in(driver, HOUR)
    await driver.ingest()
    now = await driver.now()
    assert await driver.broker.do(delayed(_key(event_id), due_ms=now + 5 * HOUR))
    driver.advance(2 * HOUR)
    await driver.fire()
    assert await created(driver, mail) == 0
    assert await driver.broker.do(delayed(_key(event_id), due_ms=now + 3 * HOUR))
    driver.advance(HOUR)
    await driver.fire()
    assert await created(driver, mail) == 2
    assert not await driver.broker.do(delayed(_key(event_id)))


def _key(event_id: str) -> str:
    return ids.event_key("go", event_id)


async def test_an_invoked_and_a_triggered_run_of_one_batch_keep_their_kinds(driver: Driver) -> None:
    """The same function, once asked for by name and once by its trigger."""
    await driver.register(Function(id="f", names=["go", "bgjobs/invoke"]))
    await driver.send("bgjobs/invoke")
    await driver.send("go")
    await driver.ingest()
    assert sorted((run.event_name, run.kind) for run in await driver.lease("w1")) == [
        ("bgjobs/invoke", "invoke"),
        ("go", ""),
    ]
