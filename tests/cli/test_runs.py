"""`bgjobs runs`, beside a real worker."""

import asyncio
import json
from typing import Any

from bgjobs import RunState
from tests.cli.conftest import Shell
from tests.cli.shop import shop
from tests.worker.live import live


async def test_list_and_its_filters(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        good = (await here.client.send("order/created", {"amount": 1})).run_id("process-order")
        bad = (await here.client.send("order/created", {"amount": 2, "broken": True}, id="o2")).run_id("process-order")
        asleep = (await here.client.send("user/signed-up")).run_id("series")
        await here.state(good, RunState.COMPLETED)
        await here.state(bad, RunState.FAILED)
        await here.state(asleep, RunState.WAITING)

        everything = (await bgjobs.go("runs", "list", "--json")).json
        assert {run["id"]: run["state"] for run in everything["runs"]} == {
            good: "completed",
            bad: "failed",
            asleep: "waiting",
        }
        assert everything["next"] is None
        for words, wanted in [
            (("--state", "failed"), [bad]),
            (("--function", "shop/series"), [asleep]),
            (("--function", "series"), [asleep]),
            (("--event", "o2"), [bad]),
            (("--event", "o2", "--state", "completed"), []),
        ]:
            answer = await bgjobs.go("runs", "list", "--json", *words)
            assert [run["id"] for run in answer.json["runs"]] == wanted, words

        seen: list[str] = []
        before: tuple[str, ...] = ()
        for _ in range(3):
            page = (await bgjobs.go("runs", "list", "--json", "--limit", "1", *before)).json
            seen += [run["id"] for run in page["runs"]]
            before = ("--before", page["next"])
        assert sorted(seen) == sorted([good, bad, asleep])

        drawn = await bgjobs.go("runs", "list")
        row = next(line for line in drawn.lines if line.startswith(bad))
        assert "failed  " in row
        assert "RuntimeError: the printer is on fire" in row


async def test_show_tells_the_whole_story(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        run = (await here.client.send("order/created", {"amount": 7, "broken": True}, id="o1")).run_id("process-order")
        await here.state(run, RunState.FAILED)
        told = (await bgjobs.go("runs", "show", run, "--json")).json
        assert told["state"] == "failed"
        assert told["data"] == {"amount": 7, "broken": True}
        assert told["progress"] == {"percent": 50.0, "message": "charged"}
        assert [(step["key"], step["state"], step["result"]) for step in told["steps"]] == [
            ("charge-card", "completed", {"charged": 7})
        ]
        assert told["error"]["message"] == "the printer is on fire"
        drawn = (await bgjobs.go("runs", "show", run)).out
        for part in ("shop/process-order", "order/created o1", "50 % charged", "charge-card", '{"charged": 7}'):
            assert part in drawn
        assert "Traceback (most recent call last)" in drawn
        assert told["dead_letter"] in drawn


async def test_show_names_parent_and_children(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        parent = (await here.client.send("ask")).run_id("asks-echo")
        await here.state(parent, RunState.WAITING)
        (child,) = (await bgjobs.go("runs", "show", parent, "--json")).json["children"]
        await here.state(child, RunState.WAITING)
        assert child in (await bgjobs.go("runs", "show", parent)).out
        assert (await bgjobs.go("runs", "show", child, "--json")).json["parent"] == parent
        step = (await bgjobs.go("runs", "show", child, "--json")).json["steps"][0]
        assert (step["key"], step["kind"], step["state"]) == ("pause", "sleep", "waiting")
        assert "due in " in (await bgjobs.go("runs", "show", child)).out


async def test_watch_follows_a_run_to_its_end(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        run = (await here.client.send("approval/wanted", id="a1")).run_id("approval")
        await here.state(run, RunState.WAITING)
        watching = asyncio.create_task(bgjobs.go("runs", "watch", run, "--interval", "0.02"))
        await here.client.signal("decide-a1", "yes")
        lines = (await watching).lines
        assert "shop/approval completed" in lines[-1]
        assert lines[-1].endswith(': "yes"')
        answer = await bgjobs.go("runs", "watch", run, "--json")
        told: list[Any] = [json.loads(line) for line in answer.lines]
        assert told[-1]["state"] == "completed"
        assert told[-1]["result"] == "yes"
        assert all(line["run"] == run for line in told)
        steps = [line for line in told if line.get("step") == "decision"]
        assert steps[-1]["state"] == "completed"


async def test_watch_of_a_failed_run_is_status_1(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        run = (await here.client.send("order/created", {"amount": 1, "broken": True})).run_id("process-order")
        await here.state(run, RunState.FAILED)
        answer = await bgjobs.go("runs", "watch", run, status=1)
        assert "step charge-card completed" in answer.lines[0]
        assert "50 %  charged" in answer.lines[1]
        assert "shop/process-order failed (attempt 1) " in answer.lines[-1]


async def test_cancel_and_replay(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    log: list[Any] = []
    async with live(shop(log), redis_url, namespace) as here:
        asleep = (await here.client.send("user/signed-up")).run_id("series")
        await here.state(asleep, RunState.WAITING)
        assert "cancelled" in (await bgjobs.go("runs", "cancel", asleep, "--reason", "moved away")).out
        info = await here.state(asleep, RunState.CANCELLED)
        assert "moved away" in info.error.message
        again = await bgjobs.go("runs", "cancel", asleep, "--json", status=1)
        assert again.json == {"runs": [{"id": asleep, "cancelled": False}]}

        run = (await here.client.send("order/created", {"amount": 3, "broken": True})).run_id("process-order")
        await here.state(run, RunState.FAILED)
        assert (await bgjobs.go("runs", "replay", run, "--json")).json == {"run": run, "again": run}
        info = await here.state(run, RunState.FAILED)
        assert log.count(("charge", 3)) == 1
        fresh = (await bgjobs.go("runs", "replay", run, "--from-start", "--token", "t1", "--json")).json["again"]
        same = (await bgjobs.go("runs", "replay", run, "--from-start", "--token", "t1", "--json")).json["again"]
        assert fresh == same != run
        await here.state(fresh, RunState.FAILED)
        assert log.count(("charge", 3)) == 2
        assert (await bgjobs.go("runs", "show", fresh, "--json")).json["replay_of"] == run


def test_a_run_that_does_not_exist(bgjobs: Shell) -> None:
    for words in (("show",), ("why",), ("watch",), ("cancel",), ("replay",)):
        answer = bgjobs("runs", *words, "00" + "a" * 24, status=1)
        assert answer.err.startswith("Error: There is no run"), words
        assert answer.out == ""


async def test_why_tells_what_holds_a_run(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        asleep = (await here.client.send("user/signed-up")).run_id("series")
        parent = (await here.client.send("ask")).run_id("asks-echo")
        failed = (await here.client.send("order/created", {"amount": 2, "broken": True})).run_id("process-order")
        await here.state(asleep, RunState.WAITING)
        await here.state(parent, RunState.WAITING)
        await here.state(failed, RunState.FAILED)
        told = (await bgjobs.go("runs", "why", asleep, "--json")).json
        assert (told["state"], told["summary"]) == ("waiting", "it sleeps (step pause)")
        assert told["expected"] == told["holds"][0]["due"]
        assert [each["what"] for each in told["history"]] == ["created", "started"]
        drawn = (await bgjobs.go("runs", "why", asleep)).out
        assert "because   it sleeps (step pause), until " in drawn
        assert "goes on   by " in drawn
        drawn = (await bgjobs.go("runs", "why", parent)).out
        (child,) = (await bgjobs.go("runs", "show", parent, "--json")).json["children"]
        assert "Held by" in drawn
        assert child in drawn
        drawn = (await bgjobs.go("runs", "why", failed)).lines
        assert any("failed" in line and "RuntimeError: the printer is on fire" in line for line in drawn)
        assert (await bgjobs.go("runs", "show", asleep, "--json")).json["why"] == "it sleeps (step pause)"


async def test_cancel_by_filters(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(shop(), redis_url, namespace) as here:
        runs = [(await here.client.send("user/signed-up", {"customer": n})).run_id("series") for n in range(3)]
        for run in runs:
            await here.state(run, RunState.WAITING)
        words = ("runs", "cancel", "--function", "series", "--match", "data.customer=1")
        dry = await bgjobs.go(*words, "--dry-run")
        assert (dry.lines, dry.err) == ([runs[1]], "1 would be cancelled.\n")
        told = (await bgjobs.go(*words, "--json")).json
        assert told == {"matched": 1, "runs": [{"id": runs[1], "cancelled": True}], "dry_run": False}
        await here.state(runs[1], RunState.CANCELLED)
        answer = await bgjobs.go("runs", "cancel", "--state", "waiting")
        assert answer.err == "2 are cancelled.\n"
        for wrong in ((), (runs[0], "--state", "waiting"), ("--match", "customer")):
            await bgjobs.go("runs", "cancel", *wrong, status=2)
