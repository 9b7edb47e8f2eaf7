"""The README's program does what it says, as it stands there."""

import re
from pathlib import Path

import pytest

from bgjobs import App, RunState
from tests.worker.live import live

README = Path(__file__).parents[2] / "README.md"


def program() -> str:
    found = re.search(r"```python\n(# jobs\.py\n.*?)```", README.read_text(), re.DOTALL)
    assert found
    return found[1]


async def test_the_program_of_the_readme(redis_url: str, namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = program()
    module = {"__name__": "jobs"}
    exec(compile(code, "jobs.py", "exec"), module)
    app = module["app"]
    assert isinstance(app, App)

    async with live(app, redis_url, namespace) as shop:
        sent = await shop.client.send("order/created", {"cents": 4200, "email": "ada@example.org"})
        run = sent.run_id("process-order")
        await shop.state(run, RunState.WAITING)
        assert capsys.readouterr().out == ""
        shop.advance(3 * 86400)
        assert await shop.client.result(run, timeout=30) == {"charge": "42.00 EUR"}

    assert capsys.readouterr().out == "to ada@example.org: we charged 42.00 EUR\n"


def test_it_is_as_short_as_it_says() -> None:
    assert len([line for line in program().splitlines() if line.strip()]) <= 20
