"""What the demo does to a server that is not its own."""

from pathlib import Path

import pytest

from bgjobs import Client
from examples.shop.stage import Stage
from tests.servers import ServerFactory


def test_it_leaves_nothing_behind(
    server_factory: ServerFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its own namespace is removed, not those whose names begin alike."""
    url = server_factory().url
    monkeypatch.setenv("BGJOBS_NAMESPACE", "demo-7")
    for namespace in ("demo-7", "demo-77", "other"):
        with Client(url, namespace=namespace) as client:
            client.send("a/b")
    with Client(url, namespace="demo-7") as client:
        Stage(tmp_path, url, client).clean_up()
        assert client.events() == []
    for namespace in ("demo-77", "other"):
        with Client(url, namespace=namespace) as client:
            assert len(client.events()) == 1
