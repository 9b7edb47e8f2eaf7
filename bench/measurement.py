"""One figure-giving run of something, and what several of them come to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One peer, measured once in one scenario or at one point of a scaling line.

    Attributes:
        scenario: name of the scenario or line.
        peer: who.
        round: from 1.
        figures: what was found, by name.
        error: why nothing was found.
        point: of a line: what was varied.
    """

    scenario: str
    peer: str
    round: int
    figures: Figures
    error: str = ""
    point: float | None = None


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


Spreads = Mapping[str, Mapping[str, Spread]]  # peer -> figure -> spread


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


def points(measurements: Iterable[Measurement], line: str) -> dict[float, Figures]:
    """point -> figures of a scaling line, in order."""
    found = {each.point: each.figures for each in measurements if each.scenario == line and not each.error}
    return {point: found[point] for point in sorted(each for each in found if each is not None)}


def ratio(ours: float, theirs: float, *, more_is_better: bool) -> float:
    """How many times better than a peer bgjobs is; below 1 the peer is ahead."""
    better, worse = (ours, theirs) if more_is_better else (theirs, ours)
    return float("inf") if worse == 0 or better == float("inf") else better / worse
