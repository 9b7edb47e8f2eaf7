"""From single measurements to tables in Markdown: bars, peers, scaling lines, what could not be measured."""

from collections.abc import Iterable, Mapping, Sequence

from bench import bars
from bench.lines import Line
from bench.measurement import Figures, Measurement, Spreads, points, ratio, shown, spreads
from bench.peers import OURS
from bench.scenarios.scenario import Scenario


def table(scenario: Scenario, peers: Spreads) -> str:
    """A scenario as a table, the best peer first."""
    known = list(dict.fromkeys(name for of in peers.values() for name in of))
    figures = [name for name in known if not scenario.shown or name in scenario.shown]
    ours = peers.get(OURS.name, {}).get(scenario.figure)
    lines = [
        f"### {scenario.title}",
        "",
        "| | " + " | ".join(figures) + f" | {OURS.name} is better by |",
        "|---|" + "---|" * (len(figures) + 1),
    ]

    def place(peer: str) -> float:
        return peers[peer][scenario.figure].median * (-1 if scenario.more_is_better else 1)

    for peer in sorted(peers, key=place):
        of = peers[peer]
        cells = [str(of[name]) if name in of else "" for name in figures]
        times = ""
        if ours is not None and peer != OURS.name:
            theirs = of[scenario.figure].median
            times = shown(ratio(ours.median, theirs, more_is_better=scenario.more_is_better)) + " x"
        lines.append(f"| {peer} | " + " | ".join(cells) + f" | {times} |")
    return "\n".join(lines) + "\n"


def ahead(scenario: Scenario, peers: Spreads) -> str:
    """The peers that are better in a scenario, as an item of a list; empty if there are none."""
    ours = peers.get(OURS.name, {}).get(scenario.figure)
    if ours is None:
        return ""
    times = {
        peer: ratio(ours.median, of[scenario.figure].median, more_is_better=scenario.more_is_better)
        for peer, of in peers.items()
        if not peer.startswith(OURS.name)
    }
    better = sorted((value, peer) for peer, value in times.items() if value < 1)
    named = ", ".join(f"{peer} ({shown(value)} x)" for value, peer in better)
    return f"* {scenario.title}, {scenario.figure}: {named}" if named else ""


def line_table(line: Line, found: Mapping[float, Figures]) -> str:
    """A scaling line as a table, and how flat it is."""
    figures = list(dict.fromkeys(name for of in found.values() for name in of))
    lines = [
        f"### {line.title}",
        "",
        f"| {line.varied} | " + " | ".join(figures) + " |",
        "|---|" + "---|" * len(figures),
    ]
    for point, of in found.items():
        name = line.names[round(point)] if line.names else f"{point:,.0f}"
        lines.append(f"| {name} | " + " | ".join(shown(of[each]) if each in of else "" for each in figures) + " |")
    return "\n".join(lines) + f"\n{steadiness(line, found)}"


def steadiness(line: Line, found: Mapping[float, Figures]) -> str:
    """How much of its rate a line keeps, and whether that is enough."""
    rates = {point: of[line.figure] for point, of in found.items() if line.base is None or point >= line.base}
    best = max(rates.values(), default=0.0) if line.base is None else rates.get(line.base, 0.0)
    if len(rates) < 2 or not best:
        return ""
    share = min(rates.values()) / best
    of = "of the fastest" if line.base is None else f"at {shown(line.base)}"
    said = f"\nThe slowest point has {share:.0%} of the rate {of}"
    if line.keeps is None:
        return said + ".\n"
    return said + f"; the bar is {line.keeps:.0%}: {'met' if share >= line.keeps else '**not met**'}.\n"


def report(
    scenarios: Iterable[Scenario],
    lines: Iterable[Line],
    measurements: Sequence[Measurement],
    notes: Mapping[str, str],
    pictures: Mapping[str, str],
) -> str:
    """All of it: what was measured on what, bars, tables, pictures, and what could not be measured.

    Args:
        scenarios, lines: in the order in which they are shown.
        measurements: of them.
        notes: what one has to know about the figures, by name.
        pictures: the address of the picture of a scenario or line, by its name.
    """

    def pictured(name: str, text: str, title: str) -> str:
        return text + (f"\n![{title}]({pictures[name]})\n" if name in pictures else "")

    parts = ["## What was measured on what\n", "\n".join(f"* {name}: {value}" for name, value in notes.items()) + "\n"]
    judged = bars.verdicts(measurements)
    if any(each.value is not None for each in judged):
        parts += ["## The bars\n", bars.table(judged)]
    measured = [(each, spreads(measurements, each.name)) for each in scenarios]
    if any(peers for _, peers in measured):
        better = list(filter(None, (ahead(each, peers) for each, peers in measured)))
        parts += [
            "## Where a peer is ahead\n",
            "\n".join(better or ["Nowhere in this run."]) + "\n",
            "## Side by side\n",
        ]
        parts += [pictured(each.name, table(each, peers), each.title) for each, peers in measured if peers]
    varied = [(line, points(measurements, line.name)) for line in lines]
    if any(found for _, found in varied):
        parts.append("## How it scales\n")
        parts += [pictured(line.name, line_table(line, found), line.title) for line, found in varied if found]
    errors = [f"* {each.scenario}, {each.peer}: {each.error.splitlines()[0]}" for each in measurements if each.error]
    if errors:
        parts.append("## Could not be measured\n\n" + "\n".join(dict.fromkeys(errors)) + "\n")
    return "\n".join(parts)
