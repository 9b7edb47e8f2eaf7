"""Limits set at run time: what holds, until when, and who said so (R40)."""

from bgjobs.broker.transitions import set_limit
from tests.broker.driver import Driver, Function


def limited(number: int | str, id: str = "f") -> Function:
    return Function(id=id, limiters="A", limits={"A": number})


async def put(driver: Driver, value: str, name: str = "A") -> bool:
    return await driver.broker.do(set_limit(name, value, actor="ada", what="limit f", reason="busy"))


async def holds(driver: Driver) -> str:
    return (await driver.raw.hget(driver.keys("lm"), "A")).decode()


async def ready(driver: Driver) -> int:
    await driver.fire()
    return int(await driver.raw.zcard(driver.keys("q:shop:default")))


async def test_an_operator_s_value_holds_over_restarts(driver: Driver) -> None:
    """R40: the same code registered again changes nothing; clearing gives the word back to it."""
    await driver.register(limited(2))
    for _ in range(9):
        await driver.send()
    await driver.ingest()
    assert await put(driver, "5")
    assert not await put(driver, "5")
    assert await ready(driver) == 5
    await driver.register(limited(2))
    assert await holds(driver) == "5"
    assert await put(driver, "")
    assert await holds(driver) == "2"
    assert await ready(driver) == 5  # lowering takes no slot away
    assert not await put(driver, "")


async def test_newer_code_ends_it_and_older_code_does_not(driver: Driver) -> None:
    """R40: only a different value of a registration that counts."""
    await driver.register(limited(2))
    await put(driver, "5")
    stale = driver._stamps
    driver._stamps = iter(["0"])  # type: ignore[assignment]
    await driver.register(limited(3))
    assert await holds(driver) == "5"
    driver._stamps = stale
    await driver.register(limited(4))
    assert await holds(driver) == "4"
    assert await driver.raw.exists(driver.keys("lo")) == 0
    verbs = [(fields[b"v"], fields[b"a"]) for _, fields in await driver.raw.xrange(driver.keys("au"))]
    assert verbs == [(b"set limit", b"ada"), (b"clear limit", b"code")]


async def test_of_functions_that_disagree_the_smaller_one_holds(driver: Driver) -> None:
    """R40: also when one of them goes; an operator's value stands above all."""
    await driver.register(limited(7), limited(3, "g"))
    assert await holds(driver) == "3"
    await put(driver, "9")
    assert await holds(driver) == "9"
    await put(driver, "")
    await driver.register(limited(7))
    assert await holds(driver) == "7"
    await driver.register(Function(id="f"))
    assert await driver.raw.exists(driver.keys("lv")) == 0
    assert await holds(driver) == "7"  # for the runs that still have it


async def test_a_limit_that_nobody_has_can_t_be_set(driver: Driver) -> None:
    assert not await put(driver, "5", "none")
    assert await driver.raw.exists(driver.keys("lo"), driver.keys("au")) == 0


async def test_a_throttle_is_changed(driver: Driver) -> None:
    """R40: a larger burst lets parked runs in."""
    await driver.register(Function(id="f", limiters="A~", limits={"A": "1 60000 1"}))
    for _ in range(6):
        await driver.send()
    await driver.ingest()
    assert await ready(driver) == 1
    await put(driver, "1 60000 4")
    assert await ready(driver) == 4
