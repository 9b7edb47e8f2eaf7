"""`python -m bench`: measures all peers in turn, round after round, then how bgjobs scales; writes a report."""

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench import page, plots
from bench.lines import LINES, Line
from bench.measurement import Figures, Measurement
from bench.peers import OURS, PEERS, ROOT, Peer
from bench.report import report
from bench.results import Results
from bench.scenarios import SCENARIOS
from bench.scenarios.scenario import Scenario, Sizes
from bench.server import Server
from bench.turns import Turn, turns
from bench.versions import versions

RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--peers", default="", help="only these, by name, separated by commas")
    parser.add_argument("--scenarios", default="", help="only these: " + ", ".join(each.name for each in SCENARIOS))
    parser.add_argument("--lines", default="", help="only these: " + ", ".join(each.name for each in LINES))
    parser.add_argument("--rounds", type=int, default=3, help="of what a bar compares; everything else has one")
    parser.add_argument("--bars", action="store_true", help="only what a bar compares, and no lines")
    parser.add_argument("--whole-rounds", action="store_true", help="everything in every round")
    parser.add_argument("--jobs", type=int, default=50_000, help="of a drain and a bulk send")
    parser.add_argument("--samples", type=int, default=300, help="of latencies")
    parser.add_argument("--payload", type=int, default=200, help="bytes per job")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds until a killed worker's jobs are lost")
    parser.add_argument("--scale", action="store_true", help="the full scaling lines, up to a million events")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for results.json, report.md and plots")
    parser.add_argument("--page", action="store_true", help=f"put the report into {PAGE.relative_to(ROOT)}, too")
    parser.add_argument("--again", action="store_true", help="measure nothing: report what results.json has")
    return parser.parse_args()


def chosen(told: argparse.Namespace) -> tuple[list[Peer], list[Scenario], list[Line]]:
    """What was asked for and can be measured here; who names scenarios or lines wants only those."""
    names, scenarios, lines = (set(filter(None, each.split(","))) for each in (told.peers, told.scenarios, told.lines))
    known = {each.name for each in PEERS} | {each.name for each in SCENARIOS} | {each.name for each in LINES}
    if unknown := (names | scenarios | lines) - known:
        sys.exit(f"there is no {', '.join(sorted(unknown))}")
    some = [each for each in PEERS if not names or each.name in names]
    for each in some:
        if each.missing:
            print(f"{each.name} is left out: {each.missing}")
    everything = not scenarios and not lines and not told.bars
    return (
        [each for each in some if not each.missing],
        [each for each in SCENARIOS if everything or (told.bars and not scenarios) or each.name in scenarios],
        [each for each in LINES if (everything and not names) or each.name in lines],
    )


def whole_rounds(told: argparse.Namespace) -> int:
    """How many rounds have everyone."""
    return 0 if told.bars else told.rounds if told.whole_rounds else 1


def measure(scenario: str, peer: str, turn: int, point: float | None, call: Callable[[], Figures]) -> Measurement:
    figures, error = {}, ""
    begun = time.monotonic()
    try:
        figures = dict(call())
    except Exception as failure:  # one that fails does not hide the others
        error = str(failure) or repr(failure)
    said = error[-2_000:] or ", ".join(f"{name} {value:,.3f}" for name, value in figures.items())
    at = "" if point is None else f" at {point:,.0f}"
    print(f"{turn} {scenario}{at}, {peer} ({time.monotonic() - begun:.0f} s): {said}", flush=True)
    return Measurement(scenario=scenario, peer=peer, round=turn, figures=figures, error=error, point=point)


def measure_all(told: argparse.Namespace, results: Results) -> None:
    """Whatever was asked for, kept as soon as it is known."""
    peers, scenarios, lines = chosen(told)
    if not peers:
        sys.exit("nobody to measure")
    sizes = Sizes(jobs=told.jobs, payload=told.payload, samples=told.samples, patience=told.patience)
    results.notes = notes(peers, sizes, told)
    for turn in turns(peers, scenarios, told.rounds, whole=whole_rounds(told)):
        for each in whole_turn(turn, sizes):
            results.add(each)
    for line in lines:
        for point in line.full if told.scale else line.points:
            results.add(measure(line.name, OURS.name, 1, point, partial(line.measure, point, sizes)))


def whole_turn(turn: Turn, sizes: Sizes) -> Iterator[Measurement]:
    """One peer after the other; all at the same time where they mostly wait."""
    one = partial(one_of, turn, sizes)
    if not turn.scenario.waits:
        yield from map(one, turn.peers)
        return
    with ThreadPoolExecutor(len(turn.peers)) as at_a_time:
        yield from at_a_time.map(one, turn.peers)


def one_of(turn: Turn, sizes: Sizes, peer: Peer) -> Measurement:
    return measure(turn.scenario.name, peer.name, turn.round, None, partial(turn.scenario.measure, peer, sizes))


def notes(peers: Sequence[Peer], sizes: Sizes, told: argparse.Namespace) -> dict[str, str]:
    """What one has to know about the figures."""
    with Server() as server:
        redis = server.version
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, load at the start {os.getloadavg()[0]:.1f}",
        "server": f"{redis}, deploy/redis.conf without persistence where nothing else is said, a fresh one each time",
        "sizes": f"{sizes.jobs:,} jobs of {sizes.payload} bytes (slow peers fewer), {sizes.samples} samples",
        "rounds": f"{told.rounds} of what a bar compares, {whole_rounds(told)} of the rest, peers in turn; figures are "
        "medians (least to most)",
        **versions(peers),
    }


def main() -> None:
    told = arguments()
    # So that what it started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results = Results(told.out / "results.json")
    results.read() if told.again else measure_all(told, results)
    write(told, results)
    sys.exit(1 if any(each.error for each in results.measurements) else 0)


def write(told: argparse.Namespace, results: Results) -> None:
    """The report beside the results; with `--page` also into the page, whose folder gets plots and results."""
    folders = [(told.out, "")]
    if told.page:
        folders.append((PAGE.with_suffix(""), PAGE.stem + "/"))
        results.write(PAGE.with_suffix("") / "results.json")
    for folder, prefix in folders:
        pictures = plots.draw(folder, SCENARIOS, LINES, results.measurements)
        named = {name: prefix + file for name, file in pictures.items()}
        raw = {"raw measurements": f"[results.json]({prefix}results.json)"}
        text = report(SCENARIOS, LINES, results.measurements, results.notes | raw, named)
        if prefix:
            page.fill(PAGE, text)
        else:
            (folder / "report.md").write_text(text)
            print(f"\n{text}\n{folder / 'report.md'}")


if __name__ == "__main__":
    main()
