"""Registration: definitions as data, the newest wins, and what no deployment has any more is retired."""

from collections.abc import Sequence

from bgjobs.broker.transitions import Definition, register
from tests.broker.driver import Driver, Function


async def deploy(
    driver: Driver, functions: Sequence[str], *, stamp: str, deployment: str = "d", body: bytes = b"1"
) -> tuple[bool, int, int]:
    """Register; answers (accepted, changed, retired)."""
    definitions = [Definition(id=each, body=body, names=[f"on-{each}"]) for each in functions]
    reply = await driver.broker.do(register("web", deployment=deployment, stamp=stamp, definitions=definitions))
    return reply[0], reply[1], reply[2]


async def functions(driver: Driver) -> set[str]:
    return {name[2:].decode() for name in await driver.raw.hkeys(driver.keys("fn:web")) if name.startswith(b"f:")}


async def test_the_newest_version_wins_and_retires(driver: Driver) -> None:
    """R9: an older worker that restarts brings nothing back."""
    assert await deploy(driver, ["a", "b"], stamp="1") == (True, 2, 0)
    assert await deploy(driver, ["b", "c"], stamp="2") == (True, 1, 1)
    assert await deploy(driver, ["a", "b"], stamp="1") == (False, 0, 0)
    assert await functions(driver) == {"b", "c"}
    assert await driver.raw.hget(driver.keys("fn:web"), "x:a") == b"2"
    assert await deploy(driver, ["a", "b"], stamp="3") == (True, 1, 1)
    assert await driver.raw.hexists(driver.keys("fn:web"), "x:a") == 0


async def test_a_function_is_gone_when_no_deployment_has_it(driver: Driver) -> None:
    """R9: one that moved to another deployment of the app stays."""
    await deploy(driver, ["a", "b"], stamp="1", deployment="x")
    await deploy(driver, ["b"], stamp="1", deployment="y")
    assert await deploy(driver, [], stamp="2", deployment="x") == (True, 0, 1)
    assert await functions(driver) == {"b"}
    assert await deploy(driver, [], stamp="2", deployment="y") == (True, 0, 1)
    assert await functions(driver) == set()


async def test_what_changed_gets_a_new_version_by_name(driver: Driver) -> None:
    """R8, R9: the names of the old and of the new definition, and no others."""
    await deploy(driver, ["a", "b"], stamp="1")
    first = await driver.raw.hgetall(driver.keys("fv:web"))
    await deploy(driver, ["a", "b"], stamp="2")
    assert await driver.raw.hgetall(driver.keys("fv:web")) == first
    await deploy(driver, ["a"], stamp="3", body=b"2")
    second = await driver.raw.hgetall(driver.keys("fv:web"))
    assert second.keys() == first.keys()
    assert all(second[name] != first[name] for name in first)


async def test_a_wildcard_concerns_all_names(driver: Driver) -> None:
    """R8."""
    await driver.register(Function(id="f", names=["order/*"]))
    star = await driver.raw.hget(driver.keys("fv:shop"), "*")
    await driver.register(Function(id="f", names=["order/*", "go"]))
    assert star is not None
    assert await driver.raw.hget(driver.keys("fv:shop"), "*") != star
    assert await driver.raw.hget(driver.keys("fv:shop"), "order/*") is None


async def test_live_runs_of_a_retired_function_stay(driver: Driver) -> None:
    """R9: they end as they would have, without a handler."""
    run = await driver.start()
    await driver.register(Function(id="g"))
    assert (await driver.fail(run)).status == "OK"
    assert await driver.raw.xlen(driver.keys("dq")) == 1
