"""How peers are started, and what is said about those that are not here."""

from dataclasses import replace

import pytest

from bench import peers, postgres
from bench.peers import OURS, PEERS, ROOT, Peer

BY_NAME = {each.name: each for each in PEERS}


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(PEERS)


def test_bgjobs_is_started_as_its_users_start_it() -> None:
    """With nothing but its concurrency, whatever it is compared with."""
    for peer in PEERS:
        if peer.name.startswith("bgjobs"):
            [command] = peer.commands(1)
            assert command[1:] == ["worker", "bench.apps.bgjobs_app:app", "--concurrency", "200"]
    [command] = OURS.commands(40)
    assert command[-2:] == ["--processes", "40"]


@pytest.mark.parametrize(("name", "started"), [("taskiq", 1), ("BullMQ", 3), ("Celery", 3)])
def test_several_processes_are_an_option_or_several_starts(name: str, started: int) -> None:
    assert len(BY_NAME[name].commands(3)) == started


def test_each_environment_has_its_requirements() -> None:
    for peer in PEERS:
        if peer.environment:
            assert (ROOT / "bench" / "requirements" / f"{peer.environment}.txt").is_file()
            assert (ROOT / (peer.app.replace(".", "/") + ".py")).is_file()


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = ROOT / "nowhere"
    monkeypatch.setattr(peers, "ENVIRONMENTS", nowhere)
    assert "`make bench` installs it" in OURS.missing
    monkeypatch.setattr(peers, "NODE", nowhere)
    monkeypatch.setattr(peers.shutil, "which", lambda name: name)
    node = Peer(name="of node")
    assert "`make bench` installs them" in node.missing
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    assert "apt-get install nodejs" in node.missing
    monkeypatch.setattr(postgres, "_INSTALLED", nowhere)
    assert "apt-get install postgresql" in replace(OURS, database="postgres").missing
