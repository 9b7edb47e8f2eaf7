"""docs/wire-format.md is true: its commands are run as they stand, and raw entries start real runs."""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgpack
import pytest
import redis

from bgjobs import App, AsyncClient, Context
from bgjobs.broker import ids
from tests.waiting import until_async
from tests.worker.live import live

DOCUMENT = Path(__file__).parents[2] / "docs" / "wire-format.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
CLI = shutil.which("redis-cli") or shutil.which("valkey-cli")


def _app() -> tuple[App, list[tuple[str, Any]]]:
    app = App("shop")
    seen: list[tuple[str, Any]] = []

    @app.function("process-order", on="order/*")
    async def process(ctx: Context[Any]) -> None:
        seen.append((ctx.event.name, ctx.event.data))

    @app.function("remind", on="reminder/due")
    async def remind(ctx: Context[Any]) -> None:
        seen.append((ctx.event.name, ctx.event.data))

    @app.function("send-report")
    async def report(ctx: Context[Any]) -> None:
        seen.append((ctx.event.name, ctx.event.data))

    return app, seen


EXPECTED = [
    ("bgjobs/invoke", {"to": "a@b.c"}),
    ("order/created", {"amount": 5, "customer_id": "c1"}),
    ("order/paid", {"amount": 5}),
    ("reminder/due", {"order": "1001"}),
]


async def _check(app: App, seen: list[tuple[str, Any]], redis_url: str, namespace: str) -> None:
    """The events of the document are in the stream: each starts its run once."""
    async with live(app, redis_url, namespace, start_at="begin") as here:
        await until_async(lambda: len(seen) == 3)
        here.advance(3_700)
        await until_async(lambda: len(seen) == 4)
        run = ids.run_id("shop/process-order", ids.event_key("order/created", "order-1001"))
        assert (await here.client.run(run)).state == "completed"
        assert await here.client.dead_letters.list() == []
    assert sorted(seen, key=lambda each: each[0]) == EXPECTED


async def test_a_raw_client_in_any_language(redis_url: str, namespace: str) -> None:
    """The documented XADDs, sent by a client that knows nothing of us."""
    app, seen = _app()
    raw = redis.Redis.from_url(redis_url)
    due = str((int(raw.time()[0]) + 3600) * 1000)  # type: ignore[index]
    lines = [line for block in BLOCKS for line in block.splitlines() if " XADD " in line]
    assert len(lines) == 5
    for line in lines:
        words = shlex.split(line.replace("{default", f"{{{namespace}").replace("$due", due))
        words = words[words.index("XADD") :]
        if len(words) % 2 == 0:
            words.append(b"\x81\xa6amount\x05".decode("latin-1"))
        raw.execute_command(*(word.encode("latin-1") for word in words))
    raw.close()
    await _check(app, seen, redis_url, namespace)


@pytest.mark.debian_redis
async def test_redis_cli(redis_url: str, namespace: str, tmp_path: Path) -> None:
    """The blocks of the document, by a shell, with redis-cli."""
    app, seen = _app()
    outputs = await asyncio.to_thread(_run_blocks, redis_url, namespace, tmp_path)
    assert outputs[-1] == ids.run_id("shop/process-order", ids.event_key("order/created", "order-1001"))
    await _check(app, seen, redis_url, namespace)


def _run_blocks(redis_url: str, namespace: str, folder: Path) -> list[str]:
    parts = urlsplit(redis_url)
    where = ["-s", parts.path] if parts.scheme == "unix" else ["-u", redis_url]
    shim = folder / "redis-cli"
    shim.write_text(f'#!/bin/sh\nexec {shlex.join([str(CLI), *where])} "$@"\n')
    shim.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    outputs = []
    for block in BLOCKS:
        command = ["bash", "-euc", block.replace("{default", f"{{{namespace}")]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=20)
        outputs.append(done.stdout.strip())
    return outputs


BAD: list[tuple[str, dict[str, Any]]] = [
    ("no name", {"i": "1"}),
    ("bad name", {"n": "bad name"}),
    ("long id", {"n": "order/created", "i": "x" * 201}),
    ("broken JSON", {"n": "order/created", "d": "{broken"}),
    ("too large", {"n": "order/created", "d": msgpack.packb("x" * 600_000)}),
    ("no time", {"n": "order/created", "t": "soon"}),
    ("a time beyond numbers", {"n": "order/created", "t": str(10**30)}),
    ("more than a year ahead", {"n": "order/created", "t": str(10**14)}),
    ("long partition key", {"n": "order/created", "k": "x" * 201}),
    ("a reserved name", {"n": "bgjobs/other"}),
]


async def test_a_bad_entry_becomes_a_dead_letter_and_stops_nothing(redis_url: str, namespace: str) -> None:
    """R14: raw entries are validated like any other input."""
    app, seen = _app()
    raw = redis.Redis.from_url(redis_url)
    for _, fields in BAD:
        raw.xadd(f"bgjobs:{{{namespace}:00}}:ev", fields)  # type: ignore[arg-type]
    raw.xadd(f"bgjobs:{{{namespace}:00}}:ev", {"n": "order/created"})  # no id, no data: fine
    raw.close()
    async with live(app, redis_url, namespace, start_at="begin") as here:
        await until_async(lambda: seen)
        await until_async(lambda: _dead(here.client, len(BAD)))
        letters = await here.client.dead_letters.list()
        assert {letter.kind for letter in letters} == {"event"}
        assert all(letter.error.message for letter in letters)
    assert seen == [("order/created", None)]


async def _dead(client: AsyncClient, count: int) -> bool:
    return len(await client.dead_letters.list()) == count


async def test_an_event_that_could_not_be_ingested_is_sent_again_corrected(redis_url: str, namespace: str) -> None:
    app, seen = _app()
    raw = redis.Redis.from_url(redis_url)
    raw.xadd(f"bgjobs:{{{namespace}:00}}:ev", {"n": "order/created", "i": "o-1", "d": "{broken"})
    raw.close()
    async with live(app, redis_url, namespace, start_at="begin") as here:
        await until_async(lambda: _dead(here.client, 1))
        (letter,) = await here.client.dead_letters.list()
        assert (letter.event_id, letter.event_name) == ("o-1", "order/created")
        await here.client.dead_letters.retry(letter.id, data={"amount": 7})
        await until_async(lambda: seen)
        assert await here.client.dead_letters.list() == []
    assert seen == [("order/created", {"amount": 7})]
