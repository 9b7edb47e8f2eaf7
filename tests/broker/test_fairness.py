"""Fairness between the values of a key: a window of ready runs each, and turns (R39)."""

from typing import Any

import pytest

from bgjobs.broker.transitions import cancel
from tests.broker.driver import Driver, Function
from tests.broker.places import complaints

LIMITS = {"A": 1, "F": 8}


def fair(limiters: str = "", **options: Any) -> Function:
    return Function(
        id="f",
        limiters=lambda data: f"{limiters} F.{data}%".strip(),
        limits={"F": 8} | options.pop("limits", {}),
        **options,
    )


async def sent(driver: Driver, tenant: str, count: int) -> list[str]:
    runs = [driver.run_of(await driver.send("go", tenant)) for _ in range(count)]
    await driver.ingest()
    assert not await complaints(driver, LIMITS)
    return runs


async def turns(driver: Driver, tenants: dict[str, str], count: int) -> str:
    """Lease and complete one after the other; the tenants in their order."""
    order = ""
    for _ in range(count):
        (run,) = await driver.lease("w1", 1)
        order += tenants[run.id]
        await driver.complete(run)
    assert not await complaints(driver, LIMITS)
    return order


def of(tenant: str, runs: list[str]) -> dict[str, str]:
    return dict.fromkeys(runs, tenant)


async def test_a_window_of_each_value_is_ready(driver: Driver) -> None:
    await driver.register(fair())
    await sent(driver, "a", 20)
    await sent(driver, "b", 3)
    assert await driver.raw.zcard(driver.keys("q:shop:default")) == 11
    await driver.fire()
    assert len(await driver.lease("w1", 5)) == 5
    assert await driver.raw.zcard(driver.keys("q:shop:default")) == 11


async def test_a_flood_delays_a_single_run_by_its_window_at_most(driver: Driver) -> None:
    """R39: with 300 runs of another value before it."""
    await driver.register(fair())
    tenants = of("a", await sent(driver, "a", 300))
    tenants |= of("b", await sent(driver, "b", 1))
    order = await turns(driver, tenants, 12)
    assert order.index("b") <= 8


async def test_all_values_take_turns(driver: Driver) -> None:
    """R39: three floods one after the other, and none of them waits for another's end."""
    await driver.register(fair())
    tenants: dict[str, str] = {}
    for tenant in "abc":
        tenants |= of(tenant, await sent(driver, tenant, 60))
    order = await turns(driver, tenants, 90)
    for start in range(0, 90 - 24, 8):
        assert set(order[start : start + 24]) == set("abc"), order
    assert max(order.count(tenant) for tenant in "abc") - min(order.count(tenant) for tenant in "abc") <= 8


async def test_values_take_turns_at_a_limit(driver: Driver) -> None:
    """R39: where one runs at a time, backlogs are drawn round robin, also while more comes."""
    await driver.register(fair("A", limits={"A": 1}))
    tenants: dict[str, str] = {}
    for tenant in "abc":
        tenants |= of(tenant, await sent(driver, tenant, 6))
    order = await turns(driver, tenants, 3)
    tenants |= of("a", await sent(driver, "a", 6))
    order += await turns(driver, tenants, 12)
    assert [order[start : start + 3].count("c") for start in range(1, 13, 3)] == [1, 1, 1, 1], order
    assert [order[start : start + 3].count("b") for start in range(1, 13, 3)] == [1, 1, 1, 1], order


async def test_alone_it_changes_nothing(driver: Driver) -> None:
    """R15: scores stay times: without others the order is that of arrival, beside another function as well."""
    await driver.register(fair(), Function(id="g", names=["g"]))
    runs = await sent(driver, "a", 20)
    other = driver.run_of(await driver.send("g"), "g", "g")
    await driver.ingest()
    order = []
    for _ in range(21):
        (run,) = await driver.lease("w1", 1)
        order.append(run.id)
        await driver.complete(run)
    assert order == [*runs, other]


@pytest.mark.parametrize("count", [1, 8])
async def test_cancelled_runs_make_room(driver: Driver, count: int) -> None:
    await driver.register(fair())
    runs = await sent(driver, "a", 20)
    await driver.broker.do(cancel(runs[:count]))
    assert not await complaints(driver, LIMITS)
    assert await driver.raw.zcard(driver.keys("q:shop:default")) == 8
    await driver.broker.do(cancel(runs))
    assert [key async for key in driver.raw.scan_iter(driver.keys("f[rk]:*"))] == []


async def test_a_dead_worker_s_runs_come_back_before_others(driver: Driver) -> None:
    await driver.register(fair())
    runs = await sent(driver, "a", 20)
    await driver.lease("w1", 4)
    await driver.kill("w1", "w2")
    assert [run.id for run in await driver.lease("w2", 4)] == runs[:4]
    assert not await complaints(driver, LIMITS)
