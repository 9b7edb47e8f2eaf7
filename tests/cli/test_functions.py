"""`bgjobs functions`, `bgjobs apps`, `bgjobs workers` and `bgjobs cron`, beside real workers."""

from typing import Any

from bgjobs import App, Concurrency, Context, RunState
from tests.cli.conftest import Shell
from tests.cli.shop import shop
from tests.worker.live import live


async def test_list_and_show(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        asleep = (await here.client.send("user/signed-up")).run_id("series")
        await here.state(asleep, RunState.WAITING)
        listed = (await bgjobs.go("functions", "list", "--json")).json["functions"]
        assert [each["id"] for each in listed] == sorted(shop().functions)
        assert all(each["workers"] == 1 for each in listed)
        drawn = await bgjobs.go("functions", "list")
        row = next(line for line in drawn.lines if line.startswith("shop/process-order"))
        assert "order/created" in row
        assert "Charges the card." in row
        assert "cron 0 8 * * *" in drawn.out
        assert (await bgjobs.go("functions", "list", "--app", "other", "--json")).json == {"functions": []}

        told = (await bgjobs.go("functions", "show", "series", "--json")).json
        assert told["key"] == "shop/series"
        assert (told["queued"], told["running"], told["waiting"]) == (0, 0, 1)
        assert "1 waiting" in (await bgjobs.go("functions", "show", "shop/series")).out
        unknown = await bgjobs.go("functions", "show", "serie", status=1)
        assert "Did you mean series?" in unknown.err


async def test_a_worker_that_does_not_read_the_queue_does_not_count(
    redis_url: str, namespace: str, bgjobs: Shell
) -> None:
    app = App("shop")

    @app.function("light", on="go")
    async def light(ctx: Context[Any]) -> None: ...

    @app.function("heavy", on="go", queue="heavy")
    async def heavy(ctx: Context[Any]) -> None: ...

    async with live(app, redis_url, namespace, queues=("default",)):
        listed = (await bgjobs.go("functions", "list", "--json")).json["functions"]
        assert {each["id"]: each["workers"] for each in listed} == {"light": 1, "heavy": 0}
        assert (
            "No worker that has the function heavy reads its queue heavy." in (await bgjobs.go("doctor", status=1)).out
        )
        assert "1 live worker(s) have shop/heavy" in (await bgjobs.go("functions", "remove", "heavy", status=1)).err


async def test_invoke(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        told = (await bgjobs.go("functions", "invoke", "echo", '{"a": [1]}', "--wait", "--json")).json
        assert told["result"] == {"a": [1]}
        assert (await here.client.run(told["run"])).state == RunState.COMPLETED
        once = (await bgjobs.go("functions", "invoke", "shop/echo", "--id", "i1", "--json")).json
        assert once == (await bgjobs.go("functions", "invoke", "shop/echo", "--id", "i1", "--json")).json
        failed = await bgjobs.go(
            "functions", "invoke", "process-order", '{"amount": 1, "broken": true}', "--wait", status=1
        )
        assert "the printer is on fire" in failed.err
        late = await bgjobs.go("functions", "invoke", "series", "--timeout", "0.05", status=1)
        assert "after 0.05 s" in late.err


async def test_workers_apps_and_cron(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        (worker,) = (await bgjobs.go("workers", "--json")).json["workers"]
        assert worker["app"] == "shop"
        assert worker["id"] == here.worker.incarnation
        assert worker["functions"] == sorted(shop().functions)
        assert worker["lease_seconds"] > 5
        assert (await bgjobs.go("workers")).lines[1].startswith(worker["id"])

        (app,) = (await bgjobs.go("apps", "list", "--json")).json["apps"]
        assert (app["id"], app["workers"], app["lag"], app["pending"]) == ("shop", 1, 0, 0)
        assert (await bgjobs.go("apps", "list")).lines[1].split()[:2] == ["shop", str(len(shop().functions))]

        (entry,) = (await bgjobs.go("cron", "list", "--json")).json["cron"]
        assert (entry["function"], entry["expression"], entry["tz"]) == ("shop/report", "0 8 * * *", "UTC")
        assert entry["next"].endswith("T08:00:00Z")
        assert (await bgjobs.go("cron", "list", "--app", "other", "--json")).json == {"cron": []}
        assert "0 8 * * *" in (await bgjobs.go("cron", "list")).out


async def test_remove_is_refused_while_somebody_needs_the_function(
    redis_url: str, namespace: str, bgjobs: Shell
) -> None:
    async with live(shop(), redis_url, namespace) as here:
        run = (await here.client.send("user/signed-up")).run_id("series")
        await here.state(run, RunState.WAITING)
        refused = await bgjobs.go("functions", "remove", "series", status=1)
        assert "1 live worker(s) have shop/series" in refused.err
    refused = await bgjobs.go("functions", "remove", "series", status=1)
    assert "shop/series has 1 live runs" in refused.err
    forced = await bgjobs.go("functions", "remove", "series", "--force", "--json")
    assert forced.json == {"function": "shop/series", "live_runs": 1}
    assert "is forgotten." in (await bgjobs.go("functions", "remove", "report")).out
    keys = [each["key"] for each in (await bgjobs.go("functions", "list", "--json")).json["functions"]]
    assert "shop/series" not in keys
    assert "shop/report" not in keys
    assert (await bgjobs.go("cron", "list", "--json")).json == {"cron": []}
    retired = (await bgjobs.go("functions", "list", "--retired", "--json")).json["functions"]
    assert next(each for each in retired if each["key"] == "shop/series")["retired"]


def renamed(old: str | None, new: str | None) -> App:
    """A version of an app with a function under its old or its new name."""
    app = App("shop", version="1" if new is None else "2")

    async def body(ctx: Context[Any]) -> str:
        await ctx.step.sleep("pause", ctx.event.data["hours"] * 3_600)
        return f"done by {ctx.function}"

    if old is not None:
        app.function(old, on="go")(body)
    if new is not None:
        app.function(new, on="go/new", concurrency=Concurrency(1, key="event.data.customer"))(body)

    @app.function("stays", on="other")
    async def stays(ctx: Context[Any]) -> None:
        pass

    return app


async def test_move_gives_the_runs_of_a_renamed_function_to_its_new_name(
    redis_url: str, namespace: str, bgjobs: Shell
) -> None:
    """R16: what no worker can run waits in a queue of its own; from there, and while waiting, it can be moved."""
    async with live(renamed("old-name", None), redis_url, namespace) as here:
        short = (await here.client.send("go", {"customer": "c1", "hours": 1})).run_id("old-name")
        long = (await here.client.send("go", {"customer": "c1", "hours": 2})).run_id("old-name")
        await here.state(short, RunState.WAITING)
        await here.state(long, RunState.WAITING)
        refused = await bgjobs.go("functions", "move", "old-name", "stays", status=1)
        assert "live worker(s) have shop/old-name" in refused.err
    async with live(renamed(None, "new-name"), redis_url, namespace) as here:
        here.advance(3_601)
        await here.state(short, RunState.QUEUED)
        told = (await bgjobs.go("functions", "show", "old-name", "--json")).json
        assert (told["retired"], told["queued"], told["waiting"], told["workers"]) == (True, 1, 1, 0)
        unknown = await bgjobs.go("functions", "move", "old-name", "nobody", status=1)
        assert "There is no function 'nobody'" in unknown.err
        moved = await bgjobs.go("functions", "move", "old-name", "new-name", "--json")
        assert moved.json == {"from": "shop/old-name", "to": "shop/new-name", "moved": 2}
        assert await here.client.result(short, timeout=30) == "done by shop/new-name"
        here.advance(3_601)
        assert await here.client.result(long, timeout=30) == "done by shop/new-name"
        assert (await bgjobs.go("functions", "move", "old-name", "new-name", "--json")).json["moved"] == 0


async def test_an_app_is_forgotten_with_all_that_is_recorded_of_it(
    redis_url: str, namespace: str, bgjobs: Shell, raw: Any
) -> None:
    other = App("billing")

    @other.function("invoice", on="order/created")
    async def invoice(ctx: Context[Any]) -> str:
        return "sent"

    async with live(other, redis_url, namespace) as billing:
        async with live(shop(), redis_url, namespace) as here:
            refused = await bgjobs.go("apps", "remove", "shop", status=1)
            assert "live worker(s)" in refused.err
            receipt = await here.client.send("order/created", {"amount": 1, "broken": True})
            await here.state(receipt.run_id("shop/process-order"), RunState.FAILED)
            asleep = (await here.client.send("user/signed-up")).run_id("series")
            await here.state(asleep, RunState.WAITING)
            await billing.state(receipt.run_id("billing/invoice"), RunState.COMPLETED)
        refused = await bgjobs.go("apps", "remove", "shop", status=1)
        assert "has 1 live runs" in refused.err
        told = (await bgjobs.go("apps", "remove", "shop", "--force", "--yes", "--json")).json
        assert told == {"app": "shop", "cancelled": 1, "removed": 2}
        assert [app["id"] for app in (await bgjobs.go("apps", "list", "--json")).json["apps"]] == ["billing"]
        assert (await billing.client.run(receipt.run_id("billing/invoice"))).state == RunState.COMPLETED
        left = [key.decode() async for key in raw.scan_iter(match=f"bgjobs:{{{namespace}:00}}:*", count=1000)]
        assert [key for key in left if "shop" in key and ":sn:" not in key] == []
        assert (await bgjobs.go("dlq", "list", "--json")).json["dead_letters"] == []
        assert "There is no app 'shop'" in (await bgjobs.go("apps", "remove", "shop", status=1)).err
