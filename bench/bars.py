"""What bgjobs has to reach beside its peers, and whether it does: ratios of medians from one interleaved run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.measurement import Measurement, shown, spreads
from bench.peers import OURS

BULLMQ, DRAMATIQ, TASKIQ, CELERY, DBOS, BARE = "BullMQ", "Dramatiq", "taskiq", "Celery", "DBOS", "bare redis-py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        scenario, figure: what is looked at.
        least: the figure, as a multiple of the peer's if there is one, is to be at least this; or
        most: at most this.
        peer: who is compared with; empty: nobody, the figure itself counts.
        ours: which way of using bgjobs is looked at.
        below: what is reached exactly is too much, too.
    """

    scenario: str
    figure: str
    least: float | None = None
    most: float | None = None
    peer: str = ""
    ours: str = OURS.name
    below: bool = False

    @property
    def wanted(self) -> str:
        """What is asked, in a few characters."""
        limit = self.least if self.least is not None else self.most
        sign = ">=" if self.least is not None else "<" if self.below else "<="
        return f"{sign} {limit:g}" + (f" x {self.peer}" if self.peer else "")

    def reached(self, value: float) -> bool:
        """Whether a figure, or its multiple of the peer's, will do."""
        if self.least is not None:
            return value >= self.least
        assert self.most is not None
        return value < self.most if self.below else value <= self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A bar beside what was measured. `value` is the figure or its multiple of the peer's; None: not measured."""

    bar: Bar
    ours: float | None = None
    theirs: float | None = None
    value: float | None = None

    @property
    def word(self) -> str:
        if self.value is None:
            return "not measured"
        return "met" if self.bar.reached(self.value) else "**not met**"


_RATE = "per second"

BARS = (
    Bar(scenario="drain-1", figure=_RATE, least=1.2, peer=BULLMQ),
    Bar(scenario="drain-1", figure=_RATE, least=5, peer=DRAMATIQ),
    Bar(scenario="drain-1", figure=_RATE, least=8, peer=TASKIQ),
    Bar(scenario="drain-1", figure=_RATE, least=20, peer=CELERY),
    Bar(scenario="drain-2", figure=_RATE, least=1.5, peer=BULLMQ),
    Bar(scenario="bulk", figure=_RATE, least=2.5, peer=BULLMQ),
    Bar(scenario="bulk", figure=_RATE, least=2, peer=BULLMQ, ours="bgjobs asyncio"),
    Bar(scenario="single", figure=_RATE, least=0.85, peer=BARE),
    Bar(scenario="latency", figure="p50 ms", most=1, peer=TASKIQ),
    Bar(scenario="latency", figure="p99 ms", most=2, peer=TASKIQ),
    Bar(scenario="workflow", figure=_RATE, least=30, peer=DBOS),
    Bar(scenario="workflow", figure=_RATE, least=10, peer=DBOS, ours="bgjobs with AOF always"),
    Bar(scenario="workflow", figure="p50 ms", most=0.25, peer=DBOS),
    Bar(scenario="commands", figure="sent per job", most=0.1),
    Bar(scenario="drain-1", figure="Redis CPU us per job", most=15),
    Bar(scenario="bulk", figure="beyond the payload", most=400),
    Bar(scenario="drain-1", figure="bytes per finished job", most=1_000),
    Bar(scenario="recovery", figure="s until all run again", most=20),
    Bar(scenario="idle", figure="% of a core", most=1, below=True),
    Bar(scenario="idle", figure="commands sent per second", most=2, below=True),
)


def needed(scenario: str, peer: str, bars: Iterable[Bar] = BARS) -> bool:
    """Whether a bar looks at this peer in this scenario: then it is measured in every round."""
    return any(bar.scenario == scenario and peer in (bar.ours, bar.peer) for bar in bars)


def verdicts(measurements: Sequence[Measurement], bars: Iterable[Bar] = BARS) -> list[Verdict]:
    """Each bar with what was measured."""
    return [_verdict(bar, measurements) for bar in bars]


def _verdict(bar: Bar, measurements: Sequence[Measurement]) -> Verdict:
    peers = spreads(measurements, bar.scenario)
    ours = peers.get(bar.ours, {}).get(bar.figure)
    if ours is None:
        return Verdict(bar=bar)
    if not bar.peer:
        return Verdict(bar=bar, ours=ours.median, value=ours.median)
    theirs = peers.get(bar.peer, {}).get(bar.figure)
    if theirs is None or theirs.median == 0:
        return Verdict(bar=bar, ours=ours.median)
    return Verdict(bar=bar, ours=ours.median, theirs=theirs.median, value=ours.median / theirs.median)


def table(judged: Sequence[Verdict]) -> str:
    """The bars in Markdown."""
    met = sum(each.word == "met" for each in judged)
    lines = [
        f"{met} of {len(judged)} are met.",
        "",
        "| scenario | figure | of | measured | peer's | ratio | bar | |",
        "|---|---|---|---|---|---|---|---|",
    ]

    def cell(value: float | None) -> str:
        return "" if value is None else shown(value)

    for each in judged:
        bar = each.bar
        times = f"{each.value:.3g} x" if bar.peer and each.value is not None else ""
        cells = (bar.scenario, bar.figure, bar.ours, cell(each.ours), cell(each.theirs), times, bar.wanted, each.word)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
