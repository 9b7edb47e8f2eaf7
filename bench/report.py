"""From single measurements to tables: median, range, and the ratio to bgjobs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.scenarios.scenario import Figures, Scenario

OURS = "bgjobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One peer, measured once in one scenario. `error` says why it could not be."""

    scenario: str
    peer: str
    round: int
    figures: Figures
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Several measurements of one figure."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median=median(values), least=min(values), most=max(values))

    def __str__(self) -> str:
        if self.least == self.most:
            return shown(self.median)
        return f"{shown(self.median)} ({shown(self.least)} to {shown(self.most)})"


def shown(value: float) -> str:
    """A figure with three significant digits, whole ones in full."""
    if value == float("inf"):
        return "never"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spreads(measurements: Iterable[Measurement], scenario: str) -> dict[str, dict[str, Spread]]:
    """peer -> figure -> spread over the rounds, for one scenario."""
    values: dict[str, dict[str, list[float]]] = {}
    for each in measurements:
        if each.scenario == scenario and not each.error:
            for name, value in each.figures.items():
                values.setdefault(each.peer, {}).setdefault(name, []).append(value)
    return {peer: {name: Spread.of(several) for name, several in of.items()} for peer, of in values.items()}


def ratio(ours: float, theirs: float, *, more_is_better: bool) -> float:
    """How many times better than a peer bgjobs is; below 1 the peer is ahead."""
    better, worse = (ours, theirs) if more_is_better else (theirs, ours)
    return float("inf") if worse == 0 or better == float("inf") else better / worse


def table(scenario: Scenario, peers: Mapping[str, Mapping[str, Spread]]) -> str:
    """A scenario as a table in Markdown, the best peer first."""
    figures = list(dict.fromkeys(name for of in peers.values() for name in of))
    ours = peers.get(OURS, {}).get(scenario.figure)
    lines = [
        f"### {scenario.title}",
        "",
        "| | " + " | ".join(figures) + f" | {OURS} is better by |",
        "|---|" + "---|" * (len(figures) + 1),
    ]

    def place(peer: str) -> float:
        return peers[peer][scenario.figure].median * (-1 if scenario.more_is_better else 1)

    for peer in sorted(peers, key=place):
        of = peers[peer]
        cells = [str(of[name]) if name in of else "" for name in figures]
        times = ""
        if ours is not None and peer != OURS:
            theirs = of[scenario.figure].median
            times = shown(ratio(ours.median, theirs, more_is_better=scenario.more_is_better)) + " x"
        lines.append(f"| {peer} | " + " | ".join(cells) + f" | {times} |")
    return "\n".join(lines) + "\n"


def report(scenarios: Iterable[Scenario], measurements: Sequence[Measurement], notes: Mapping[str, str]) -> str:
    """All of it in Markdown: what was measured on what, tables, and what could not be measured."""
    parts = ["# Benchmarks\n", "\n".join(f"* {name}: {value}" for name, value in notes.items()) + "\n"]
    measured = ((scenario, spreads(measurements, scenario.name)) for scenario in scenarios)
    parts += [table(scenario, peers) for scenario, peers in measured if peers]
    errors = [f"* {each.scenario}, {each.peer}: {each.error.splitlines()[0]}" for each in measurements if each.error]
    if errors:
        parts.append("### Could not be measured\n\n" + "\n".join(dict.fromkeys(errors)) + "\n")
    return "\n".join(parts)
