"""`bgjobs dlq`, beside a real worker."""

import json
from pathlib import Path
from typing import Any

from bgjobs import App, Context, RunState
from tests.cli.conftest import Shell
from tests.waiting import until_async
from tests.worker.live import Live, live


def factory(log: list[Any]) -> App:
    """Functions that fail in two ways, as long as `log` holds "broken", and one that takes over."""
    app = App("shop", retries=0)

    @app.function("pack", on="order/paid")
    async def pack(ctx: Context[Any]) -> str:
        if "broken" in log:
            raise ConnectionError("the scale is away")
        return f"packed {ctx.event.data['order']}"

    @app.function("print", on="order/paid")
    async def print_label(ctx: Context[Any]) -> str:
        if "broken" in log:
            raise ValueError("no paper")
        return "printed"

    @app.function("pack-by-hand")
    async def by_hand(ctx: Context[Any]) -> Any:
        return ctx.event.data

    return app


async def fail(here: Live, orders: int) -> None:
    for order in range(orders):
        receipt = await here.client.send("order/paid", {"order": order})
        await here.state(receipt.run_id("pack"), RunState.FAILED)
        await here.state(receipt.run_id("print"), RunState.FAILED)


async def test_list_show_and_filters(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(factory(["broken"]), redis_url, namespace) as here:
        await fail(here, 2)
        listed = (await bgjobs.go("dlq", "list", "--json")).json
        assert len(listed["dead_letters"]) == 4
        for words, count in [
            (("--function", "shop/pack"), 2),
            (("--function", "pack"), 2),
            (("--error", "ValueError"), 2),
            (("--error", "scale"), 2),
            (("--error", "scale", "--function", "shop/print"), 0),
            (("--older-than", "1h"), 0),
            (("--older-than", "0"), 4),
            (("--limit", "3"), 3),
        ]:
            answer = await bgjobs.go("dlq", "list", "--json", *words)
            assert len(answer.json["dead_letters"]) == count, words
        rest = await bgjobs.go("dlq", "list", "--json", "--limit", "3", "--before", answer.json["next"])
        assert len(rest.json["dead_letters"]) == 1

        letter = next(each for each in listed["dead_letters"] if each["function"] == "shop/pack")
        told = (await bgjobs.go("dlq", "show", letter["id"], "--json")).json
        assert told["run_id"] == letter["run_id"]
        assert told["error"]["message"] == "the scale is away"
        assert told["data"] == {"order": 1}
        drawn = (await bgjobs.go("dlq", "show", letter["id"])).out
        assert "Traceback (most recent call last)" in drawn
        assert '"order": 1' in drawn
        missing = await bgjobs.go("dlq", "show", "1-0", status=1)
        assert "There is no dead letter '1-0'" in missing.err


async def test_retry_of_one_goes_on_in_the_same_run(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    """R44, R45."""
    log: list[Any] = ["broken"]
    async with live(factory(log), redis_url, namespace) as here:
        await fail(here, 1)
        answer = await bgjobs.go("dlq", "list", "--function", "shop/pack", "--json")
        (letter,) = answer.json["dead_letters"]
        log.clear()
        again = (await bgjobs.go("dlq", "retry", letter["id"], "--json")).json
        assert again["retried"] == [{"id": letter["id"], "outcome": letter["run_id"]}]
        assert await here.client.result(letter["run_id"], timeout=30) == "packed 0"
        gone = await bgjobs.go("dlq", "retry", letter["id"], status=1)
        assert "There is no dead letter" in gone.err


async def test_retry_of_all_that_the_filters_leave(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    log: list[Any] = ["broken"]
    async with live(factory(log), redis_url, namespace) as here:
        await fail(here, 3)
        log.clear()
        answer = await bgjobs.go("dlq", "retry", "--error", "ConnectionError", "--rate", "100")
        assert len(answer.lines) == 3
        assert "3 retried, 0 failed." in answer.err

        async def done() -> bool:
            runs = await here.client.list_runs(function="shop/pack", state=RunState.COMPLETED)
            return len(runs) == 3

        await until_async(done)
        left = (await bgjobs.go("dlq", "list", "--json")).json["dead_letters"]
        assert {letter["function"] for letter in left} == {"shop/print"}
        assert len((await bgjobs.go("dlq", "retry", "--all", "--json")).json["retried"]) == 3
        assert (await bgjobs.go("dlq", "list", "--json")).json["dead_letters"] == []


async def test_retry_as_another_function_with_other_data(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    async with live(factory(["broken"]), redis_url, namespace) as here:
        await fail(here, 1)
        answer = await bgjobs.go("dlq", "list", "--function", "shop/pack", "--json")
        (letter,) = answer.json["dead_letters"]
        words = ("--to", "pack-by-hand", "--data", '{"gloves": true}')
        again = (await bgjobs.go("dlq", "retry", letter["id"], *words, "--json")).json
        run = again["retried"][0]["outcome"]
        assert run != letter["run_id"]
        assert await here.client.result(run, timeout=30) == {"order": 0, "gloves": True}
        assert len((await bgjobs.go("dlq", "list", "--json")).json["dead_letters"]) == 1
        await bgjobs.go("dlq", "retry", "--all", "--data", "[1]", status=2)
        unknown = await bgjobs.go("dlq", "retry", "--all", "--to", "nobody", status=1)
        assert "There is no function 'nobody'" in unknown.err


async def test_discard_purge_and_export(redis_url: str, namespace: str, bgjobs: Shell, tmp_path: Path) -> None:
    async with live(factory(["broken"]), redis_url, namespace) as here:
        await fail(here, 2)
        target = tmp_path / "letters.jsonl"
        answer = await bgjobs.go("dlq", "export", "--output", str(target))
        assert answer.err == "4 dead letters written.\n"
        exported = [json.loads(line) for line in target.read_text().splitlines()]
        assert sorted(each["data"]["order"] for each in exported) == [0, 0, 1, 1]
        piped = await bgjobs.go("dlq", "export", "--function", "shop/pack")
        assert {json.loads(line)["function"] for line in piped.lines} == {"shop/pack"}

        first = exported[0]["id"]
        assert "discarded" in (await bgjobs.go("dlq", "discard", first)).out
        assert "was not there" in (await bgjobs.go("dlq", "discard", first)).out
        assert (await here.client.run(exported[0]["run_id"])).state == RunState.FAILED

        assert (await bgjobs.go("dlq", "purge", "--older-than", "1h", "--json")).json == {"purged": 0}
        assert (await bgjobs.go("dlq", "purge", "--all", "--yes")).out == "3 dead letters removed.\n"
        assert (await bgjobs.go("dlq", "list")).err == "There are no such dead letters.\n"


async def test_an_event_that_cannot_be_ingested_is_a_letter_too(
    redis_url: str, namespace: str, bgjobs: Shell, raw: Any
) -> None:
    async with live(factory([]), redis_url, namespace):
        await raw.xadd(f"bgjobs:{{{namespace}:00}}:ev", {"n": "bad name!", "i": "x1", "d": b"\x81\xa1a\x01"})

        async def buried() -> Any:
            return (await bgjobs.go("dlq", "list", "--json")).json["dead_letters"]

        (letter,) = await until_async(buried)
        assert letter["kind"] == "event"
        told = (await bgjobs.go("dlq", "show", letter["id"], "--json")).json
        assert told["event_id"] == "x1"
        assert told["data"] == {"a": 1}
        exported = json.loads((await bgjobs.go("dlq", "export")).lines[0])
        assert exported["id"] == letter["id"]


def test_ids_and_filters_do_not_go_together(bgjobs: Shell) -> None:
    assert "either ids, or filters" in bgjobs("dlq", "retry", "1-0", "--all", status=2).err
    assert "above 0" in bgjobs("dlq", "retry", "--all", "--rate", "0", status=2).err


async def test_groups_and_a_careful_retry(redis_url: str, namespace: str, bgjobs: Shell) -> None:
    """Canaries that fail are status 1, and the others are left alone; a dry run only lists."""
    log: list[Any] = ["broken"]
    async with live(factory(log), redis_url, namespace) as here:
        await fail(here, 3)
        groups = (await bgjobs.go("dlq", "groups", "--json")).json["groups"]
        assert sorted((each["function"], each["error_type"], each["count"]) for each in groups) == [
            ("shop/pack", "ConnectionError", 3),
            ("shop/print", "ValueError", 3),
        ]
        fingerprint = next(each["fingerprint"] for each in groups if each["function"] == "shop/pack")
        row = next(line for line in (await bgjobs.go("dlq", "groups")).lines if line.startswith(fingerprint))
        assert "ConnectionError: the scale is away" in row
        dry = await bgjobs.go("dlq", "retry", "--fingerprint", fingerprint, "--dry-run")
        assert (len(dry.lines), dry.err) == (3, "3 would be retried.\n")
        words = ("dlq", "retry", "--fingerprint", fingerprint, "--canary", "1", "--json")
        told = (await bgjobs.go(*words, status=1)).json
        assert (told["matched"], len(told["retried"]), told["left"]) == (3, 1, 2)
        assert told["stopped"].endswith(" failed")
        log.clear()
        answer = await bgjobs.go("dlq", "retry", "--function", "print", "--from-start", "--stop-on-same-error")
        assert "3 retried, 0 failed." in answer.err
        bgjobs_wrong = await bgjobs.go("dlq", "retry", "--all", "--canary", "0", status=2)
        assert "canaries" in bgjobs_wrong.err
