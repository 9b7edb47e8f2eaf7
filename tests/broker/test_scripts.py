"""The loader of scripts, and what every script is held to."""

import re
from pathlib import Path

import pytest
import redis

from bgjobs.broker import scripts
from bgjobs.broker.broker import Broker, SyncBroker
from bgjobs.broker.connection import Endpoint
from bgjobs.broker.transitions import cancel
from tests.broker.driver import Driver

LUA = Path(scripts.__file__).parent / "lua"
FILES = sorted(LUA.rglob("*.lua"))
TRANSITIONS = sorted(LUA.glob("*.lua"))


@pytest.mark.parametrize("name", scripts.names())
def test_every_script_is_understood_and_its_name_is_its_content(redis_url: str, name: str) -> None:
    script = scripts.script(name)
    client = redis.Redis.from_url(redis_url)
    assert client.script_load(script.text) == script.sha
    client.close()


@pytest.mark.parametrize("path", TRANSITIONS, ids=lambda path: path.name)
def test_every_transition_begins_with_its_contract(path: Path) -> None:
    text = path.read_text()
    for line in ("-- purpose: ", "-- keys: <T>nil", "-- arguments: offset ms, msgpack", "-- replies: ", "-- uses: "):
        assert re.search(rf"^{re.escape(line)}", text, re.MULTILINE), line
    assert re.search(r"^-- uses: (drain|grow)\b", text, re.MULTILINE), (
        "its first write decides what a full Redis refuses (R22)"
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_names_every_fragment_that_it_uses(path: Path) -> None:
    """Each fragment `xyz.lua` defines `Xyz`; whoever says `Xyz.` uses it, directly or through others."""
    text = path.read_text()
    code = re.sub(r"--.*", "", text)
    fragments = {each.stem.capitalize(): each.stem for each in LUA.glob("lib/*.lua")}
    said = {fragments[word] for word in re.findall(r"\b([A-Z][a-z]+)\.", code) if word in fragments} - {path.stem}
    if path.parent.name == "lib":
        reachable = _reachable(path.stem)
    else:
        used = [
            name for uses in re.findall(r"^-- (?:seldom )?uses: (.*)$", text, re.MULTILINE) for name in uses.split()
        ]
        reachable = {each for name in used for each in _reachable(name)}
    assert said <= reachable


def _reachable(fragment: str) -> set[str]:
    uses = re.search(r"^-- uses:(.*)$", (LUA / "lib" / f"{fragment}.lua").read_text(), re.MULTILINE)
    found = {fragment}
    for each in uses.group(1).split() if uses else ():
        found |= _reachable(each)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_script_prints_numbers_as_lua_does(path: Path) -> None:
    """Lua prints 1.7e+15: `tostring` of a number never reaches Redis, and nothing decodes what users stored."""
    code = re.sub(r"--.*", "", path.read_text())
    assert "cjson" not in code
    for use in re.findall(r"tostring\((.*)\)", code):
        assert use == "type(first) == 'table' and first.err or first"


async def test_a_server_that_forgot_a_script_is_taught_again(driver: Driver) -> None:
    """After a restart or a failover the cache may be empty."""
    await driver.raw.script_flush()
    assert await driver.broker.do(cancel(["nobody"])) == ["missing"]
    sync = SyncBroker(Endpoint(driver.broker.endpoint.url), driver.broker.namespace)
    sync.client.script_flush()
    assert sync.do(cancel(["nobody"])) == ["missing"]
    sync.close()


async def test_namespaces_see_nothing_of_each_other(driver: Driver, redis_url: str) -> None:
    """Every key of a script begins with the tag of its namespace."""
    other = Broker(Endpoint(redis_url), driver.broker.namespace + "x")
    await other.load()
    elsewhere = Driver(other)
    run = await driver.start()
    before = await driver.snapshot()
    await elsewhere.enlist("w1")
    assert (await elsewhere.complete(run)).status == "FENCED"
    assert await elsewhere.broker.do(cancel([run.id])) == ["missing"]
    assert await driver.snapshot() == before
    await other.aclose()
