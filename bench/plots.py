"""Pictures of scaling lines, and of how latencies are distributed, as small SVG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.lines import Line
from bench.measurement import Figures, Measurement, Spreads, points, shown, spreads
from bench.peers import OURS
from bench.scenarios.scenario import Scenario

_STRONG, _WEAK = "#1f5fa8", "#9aa5b1"
_INCHES = (6.4, 3.2)
_MARKERS = "os^vDPX<>*"


def draw(
    folder: Path, scenarios: Sequence[Scenario], lines: Sequence[Line], measurements: Sequence[Measurement]
) -> dict[str, str]:
    """Draw what was measured into a folder. Returns file names by scenario or line; nothing without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        return {}
    mpl.use("svg")
    # Text stays text, and the same figures give the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bgjobs", "font.size": 9, "axes.grid": True})
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for scenario in scenarios:
        peers = spreads(measurements, scenario.name)
        if "p50 ms" in next(iter(peers.values()), {}):
            drawn[scenario.name] = _save(folder, scenario.name, _distribution, scenario.title, peers)
        elif scenario.name.startswith("drain") and len(peers) > 1:
            drawn[scenario.name] = _save(folder, scenario.name, _rates, scenario.title, peers)
    for line in lines:
        found = points(measurements, line.name)
        if len(found) > 1:
            drawn[line.name] = _save(folder, line.name, _line, line, found)
    return drawn


def _save(folder: Path, name: str, picture: Any, *arguments: Any) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    picture(figure.subplots(), *arguments)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    return f"{name}.svg"


def _line(axes: Any, line: Line, found: Mapping[float, Figures]) -> None:
    values = [figures[line.figure] for figures in found.values()]
    if line.names:
        axes.bar([line.names[round(point)] for point in found], values, color=_STRONG)
    else:
        axes.plot(list(found), values, marker="o", color=_STRONG)
        axes.set_xscale("symlog" if 0 in found else "log")
        axes.set_xticks(list(found), [f"{point:,.0f}" for point in found])
        axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel(line.varied)
    axes.set_ylabel(line.figure)
    axes.set_title(line.title)


def _rates(axes: Any, title: str, peers: Spreads) -> None:
    order = sorted(peers, key=lambda peer: peers[peer]["per second"].median)
    medians = [peers[peer]["per second"].median for peer in order]
    reach = [
        [middle - peers[peer]["per second"].least for peer, middle in zip(order, medians, strict=True)],
        [peers[peer]["per second"].most - middle for peer, middle in zip(order, medians, strict=True)],
    ]
    colors = [_STRONG if peer.startswith(OURS.name) else _WEAK for peer in order]
    axes.barh(order, medians, xerr=reach, color=colors, ecolor="#444444")
    axes.set_xlabel("jobs per second")
    axes.set_title(title)


def _distribution(axes: Any, title: str, peers: Spreads) -> None:
    """Percentiles from p5 to p99 of each peer."""
    from matplotlib.ticker import ScalarFormatter

    order = sorted(peers, key=lambda each: peers[each]["p50 ms"].median)
    for place, peer in enumerate(order):
        of = {name: value for name, value in peers[peer].items() if name.startswith("p") and name.endswith(" ms")}
        percents = [int(name[1:-3]) for name in of]
        ours = peer.startswith(OURS.name)
        axes.plot(
            [value.median for value in of.values()],
            percents,
            label=f"{peer}, {shown(peers[peer]['p50 ms'].median)}",
            color=_STRONG if ours else f"C{place % 10}",
            marker=_MARKERS[place % len(_MARKERS)],
            markersize=3,
            linewidth=2.4 if ours else 0.8,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("ms")
    axes.set_ylabel("% started within")
    axes.set_title(title)
    axes.legend(fontsize=6, title="p50 in ms", title_fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
