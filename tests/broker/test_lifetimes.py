"""How long things live: live state for good, what is recognised for as long as is promised, and nothing by accident."""

import re

import pytest

from bgjobs.broker import operations as op
from bgjobs.broker import scripts
from bgjobs.broker.broker import Broker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.model import PendKind, RunState
from bgjobs.broker.stream import StreamReader
from bgjobs.broker.transitions import schedule, trim
from tests.broker.driver import NO_ERROR, Driver, Function
from tests.servers import ServerFactory

DAY = 86_400_000


async def passing(driver: Driver) -> dict[str, int]:
    """Keys that leave by themselves -> ms until then."""
    names = [name async for name in driver.raw.scan_iter(driver.keys("*"), count=1000)]
    found = {name.decode().removeprefix(driver.keys.prefix): await driver.raw.pttl(name) for name in names}
    return {name: left for name, left in found.items() if left >= 0}


async def test_what_lives_has_no_ttl(driver: Driver) -> None:
    """R47: ready, parked, running, waiting and failed runs, their data, timers and waits; what has one is not live."""
    await driver.register(
        Function(id="f", limiters="A", limits={"A": 1}, crons={"shop/f|0 8 * * *": await driver.now() + DAY}),
        Function(id="g", names=["g"]),
    )
    await driver.broker.do(schedule("s", b"body", next_ms=await driver.now() + DAY, create=True))
    for _ in range(3):
        await driver.send("go", "x" * 5000)
    await driver.send("later", due_ms=await driver.now() + DAY)
    waiting = await driver.start(name="g")
    child = op.invoke_spec(
        child="00child", function="shop/g", queue="shop:default", limiters="", priority_ms=0, event_id="c", data=b"\xc0"
    )
    await driver.apply(
        "w1",
        op.checkpoint(waiting, "a:0", op.NOTHING),
        op.pend(waiting, "s:0", PendKind.SLEEP, delay_ms=DAY),
        op.pend(waiting, "e:0", PendKind.EVENT, delay_ms=DAY, spec=op.wait_spec("paid", "", "")),
        op.pend(waiting, "g:0", PendKind.SIGNAL, delay_ms=DAY, spec=op.signal_spec("paid")),
        op.pend(waiting, "r:0", PendKind.RETRY, delay_ms=DAY, spec=[NO_ERROR, 1]),
        op.pend(waiting, "i:0", PendKind.INVOKE, delay_ms=DAY, spec=child),
        op.suspend(waiting, ["s:0"]),
    )
    failed, *_ = await driver.lease("w1", 1)
    await driver.fail(failed)
    assert await driver.lease("w1")
    await driver.send()
    await driver.send("g")
    await driver.ingest()
    allowed = re.compile(r"sn:.*|bell:.*|st:.*")
    assert [name for name in await passing(driver) if not allowed.fullmatch(name)] == []
    letters = {value[b"s"] for name, value in (await driver.stored()).items() if name.startswith("r:")}
    assert letters == {b"q", b"r", b"w", b"f"}
    assert await driver.raw.exists(driver.keys("bk:A"), driver.keys("q:shop:default")) == 2


async def test_ids_are_recognised_for_as_long_as_is_promised(driver: Driver) -> None:
    """R2: supplied ids for 24 h; generated ones for longer than their two minutes, and not for ever."""
    await driver.send(id="mine")
    await driver.ingest()
    await driver.send(generated=True)
    await driver.ingest()
    left = {name: ms for name, ms in (await passing(driver)).items() if name.startswith("sn:")}
    supplied = [ms for name, ms in left.items() if name.startswith("sn:shop:=")]
    generated = [ms for name, ms in left.items() if not name.startswith("sn:shop:=")]
    assert (len(supplied), len(generated)) == (1, 1)
    assert DAY - 60_000 < supplied[0] <= DAY
    assert 120_000 < generated[0] <= 180_000


async def test_a_beat_registers_nothing(driver: Driver) -> None:
    """R9: it says that an incarnation lives, and nothing else."""

    async def registered() -> dict[str, object]:
        stored = await driver.stored()
        stored["gr"] = stored["gr"][b"v"]
        return {name: value for name, value in stored.items() if name != "wk"}

    before = await registered()
    await driver.beat("w1")
    assert await registered() == before


async def test_dead_letters_leave_by_age_only(driver: Driver) -> None:
    """R45: however many they are."""
    for _ in range(300):
        await driver.send()
    await driver.ingest()
    runs = await driver.lease("w1", 300)
    await driver.pump("w1", *(op.fail(run, NO_ERROR, type="E", message="m") for run in runs))
    keep = {RunState.FAILED: (DAY, 0)}  # not even one beyond its age

    async def trimmed(letters_ms: int) -> int:
        await driver.broker.do(trim(["shop/f"], history_ms=0, history_max=0, keep=keep, letters_ms=letters_ms))
        return int(await driver.raw.xlen(driver.keys("dq")))

    assert await trimmed(DAY) == 300
    assert await driver.state(runs[0].id) is RunState.FAILED
    driver.advance(DAY + 1000)
    assert await trimmed(DAY) == 0


@pytest.mark.parametrize("name", scripts.names())
def test_every_script_touches_the_anchor_first(name: str) -> None:
    """R55: in a slot that is being migrated that raises, before anything is read or written."""
    code = re.sub(r"--.*", "", scripts.script(name).text)
    calls = re.findall(r"redis\.p?call\(([^)]*)", code)
    assert calls[0] == "'TIME'"
    assert re.match(r"'(ZREM|EXISTS)', KEYS\[1\]", calls[1])


async def test_a_key_that_nobody_can_write_harms_no_other(driver: Driver) -> None:
    """R23: it is noted; all other keys are written, and nothing is parked for ever."""
    await driver.register(Function(id="f", names=["f"], limiters="A", limits={"A": 1}), Function(id="g", names=["g"]))
    await driver.raw.set(driver.keys("done:shop/g:c"), "not a sorted set")  # nothing of ours writes this
    for name in ("f", "f", "g"):
        await driver.send(name)
    await driver.ingest()
    runs = await driver.lease("w1")
    assert sorted(run.function for run in runs) == ["f", "g"]
    answers, _ = await driver.pump("w1", *(op.complete(run, b"\xc0") for run in runs))
    assert {answer.status for answer in answers} == {"OK"}
    assert [run.function for run in await driver.lease("w1")] == ["f"]
    assert await driver.raw.zcard(driver.keys("done:shop/f:c")) == 1
    ((member, _),) = await driver.raw.zrange(driver.keys("bad"), 0, -1, withscores=True)
    assert member.startswith(b"k|")
    await driver.raw.delete(driver.keys("done:shop/g:c"))


async def test_memory_that_runs_out_is_a_reason_to_pause(server_factory: ServerFactory) -> None:
    """R13: above three quarters of what the server may use; without a limit there is none."""
    broker = Broker(Endpoint(server_factory(maxmemory_policy="noeviction").url), "full")
    reader = StreamReader(broker.client, broker.client, broker.keys, app="shop", consumer="w1")
    assert await reader.pressure(["shop:default"], 10) == ""
    used = (await broker.client.info("memory"))["used_memory"]
    await broker.client.config_set("maxmemory", used * 2)
    assert await reader.pressure(["shop:default"], 10) == ""
    await broker.client.config_set("maxmemory", int(used * 1.2))
    assert "of" in await reader.pressure(["shop:default"], 10)
    await broker.client.config_set("maxmemory", 0)
    await broker.client.zadd(broker.keys("q:shop:default"), {f"{number}": number for number in range(11)})
    assert "11 runs are ready" in await reader.pressure(["shop:default"], 10)
    await broker.aclose()
