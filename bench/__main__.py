"""`python -m bench`: measures all peers in turn, round after round, and writes JSON and a report in Markdown."""

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.peers import PEERS, ROOT, Peer
from bench.report import Measurement, report
from bench.scenarios import SCENARIOS
from bench.scenarios.scenario import Scenario, Sizes
from bench.server import Server
from bench.versions import versions

RESULTS = ROOT / "bench" / "results"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--peers", default="", help="only these, by name, separated by commas")
    parser.add_argument("--scenarios", default="", help="only these: " + ", ".join(each.name for each in SCENARIOS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=50_000, help="of a drain and a bulk send")
    parser.add_argument("--samples", type=int, default=300, help="of latencies")
    parser.add_argument("--payload", type=int, default=200, help="bytes per job")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds until a killed worker's jobs are lost")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for results.json and report.md")
    return parser.parse_args()


def chosen(peers: str, scenarios: str) -> tuple[list[Peer], list[Scenario]]:
    """What was asked for and can be measured here."""
    names, wanted = set(filter(None, peers.split(","))), set(filter(None, scenarios.split(",")))
    unknown = (names - {each.name for each in PEERS}) | (wanted - {each.name for each in SCENARIOS})
    if unknown:
        sys.exit(f"there is no {', '.join(sorted(unknown))}")
    some = [each for each in PEERS if not names or each.name in names]
    for each in some:
        if not each.installed:
            print(f"{each.name} is not installed here: left out (`make bench` installs all)")
    return [each for each in some if each.installed], [each for each in SCENARIOS if not wanted or each.name in wanted]


def rounds(peers: Sequence[Peer], scenarios: Sequence[Scenario], sizes: Sizes, number: int) -> list[Measurement]:
    """Peers take turns within each round, and another one begins each time: what drifts, drifts for all."""
    return [
        measure(scenario, peer, sizes, turn)
        for turn in range(number)
        for scenario in scenarios
        for peer in [*peers[turn % len(peers) :], *peers[: turn % len(peers)]]
        if scenario.part in peer.parts and scenario.applies(peer)
    ]


def measure(scenario: Scenario, peer: Peer, sizes: Sizes, turn: int) -> Measurement:
    figures, error = {}, ""
    begun = time.monotonic()
    try:
        figures = dict(scenario.measure(peer, sizes))
    except Exception as failure:  # one that fails does not hide the others
        error = str(failure) or repr(failure)
    said = error[-2_000:] or ", ".join(f"{name} {value:,.3f}" for name, value in figures.items())
    print(f"{turn + 1} {scenario.name}, {peer.name} ({time.monotonic() - begun:.0f} s): {said}", flush=True)
    return Measurement(scenario=scenario.name, peer=peer.name, round=turn + 1, figures=figures, error=error)


def notes(peers: Sequence[Peer], sizes: Sizes, number: int) -> dict[str, str]:
    """What one has to know about the figures."""
    with Server() as server:
        redis = server.version
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, load at the start {os.getloadavg()[0]:.1f}",
        "server": f"{redis}, deploy/redis.conf without persistence, a fresh one per measurement",
        "sizes": f"{sizes.jobs:,} jobs of {sizes.payload} bytes, {sizes.samples} samples, {number} rounds in turn",
        "figures": "median (least to most)",
        **versions(peers),
    }


def main() -> None:
    told = arguments()
    # So that what it started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    peers, scenarios = chosen(told.peers, told.scenarios)
    sizes = Sizes(jobs=told.jobs, payload=told.payload, samples=told.samples, patience=told.patience)
    if not peers:
        sys.exit("nobody to measure")
    known = notes(peers, sizes, told.rounds)
    measurements = rounds(peers, scenarios, sizes, told.rounds)
    told.out.mkdir(parents=True, exist_ok=True)
    (told.out / "results.json").write_text(
        json.dumps({"notes": known, "measurements": [asdict(each) for each in measurements]}, indent=1) + "\n"
    )
    text = report(scenarios, measurements, known)
    (told.out / "report.md").write_text(text)
    print("\n" + text)
    sys.exit(1 if any(each.error for each in measurements) else 0)


if __name__ == "__main__":
    main()
