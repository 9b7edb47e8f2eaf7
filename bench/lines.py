"""How bgjobs scales: one thing is varied, the rest stays; each line is a table and a plot of the report."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.measurement import Figures
from bench.peers import OURS
from bench.scenarios.drain import drain, read_back
from bench.scenarios.scenario import Sizes
from bench.scenarios.structures import TIMERS, WAITING, WORKERS
from bench.stage import Stage
from bench.stamps import BEGAN

_SHAPES = replace(OURS, app="bench.apps.bgjobs_shapes")
_DELAY_SECONDS = 86_400
_AT_A_TIME = 50  # runs with many steps: what is shared out among few looks slower than it is
#: Points of the line of persistence.
APPENDFSYNC = ("no", "everysec", "always")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that is varied.

    Attributes:
        name: for `--lines`.
        title: for the report.
        varied: what the points are.
        points: measured by default.
        full: with `--scale`.
        measure: measures one point.
        figure: what is plotted.
        names: of the points, if they are no numbers.
        keeps: share of the rate that is to stay at the slowest point; None: it need not.
        base: the point whose rate that is, for the points after it; None: the fastest, for all points.
    """

    name: str
    title: str
    varied: str
    points: tuple[float, ...]
    full: tuple[float, ...]
    measure: Callable[[float, Sizes], Figures]
    figure: str = "runs per second"
    names: tuple[str, ...] = ()
    keeps: float | None = None
    base: float | None = None


def _drained(stage: Stage, **spec: object) -> dict[str, float]:
    """A drain with one process, each run read back."""
    figures = drain(stage, 1, **spec)
    return {
        "runs per second": figures["per second"],
        "Redis CPU us per run": figures["Redis CPU us per job"],
        "worker CPU us per run": figures["worker CPU us per job"],
    }


def backlog(point: float, sizes: Sizes) -> Figures:
    """So many events wait when the worker starts."""
    with Stage(OURS, jobs=round(point), size=sizes.payload) as stage:
        return _drained(stage)


def beside(point: float, sizes: Sizes) -> Figures:
    """So many delayed events, and a tenth as many sleeping runs, lie beside what is drained."""
    delayed, waiting = round(point), round(point / 10)
    with Stage(_SHAPES, jobs=sizes.jobs, size=sizes.payload, BENCH_SHAPE="waiting") as stage:
        stage.start()
        if delayed:
            stage.produce("bulk", event="wait", jobs=waiting, first=0)
            stage.produce("bulk", event="noop", jobs=delayed, first=0, delay=_DELAY_SECONDS)
        stage.until(
            lambda: (
                stage.server.count_of(TIMERS) >= delayed + waiting and stage.server.count_of_all(WAITING) >= waiting
            ),
            what="they lie there",
            timeout=900,
        )
        stage.until(lambda: stage.server.count_of(WORKERS) > 0, what="the worker is there")
        stage.stop()
        return _drained(stage)


def functions(point: float, sizes: Sizes) -> Figures:
    """So many functions are registered; one of them has work."""
    number = str(round(point))
    with Stage(_SHAPES, jobs=sizes.jobs, size=sizes.payload, BENCH_SHAPE="functions", BENCH_NUMBER=number) as stage:
        return _drained(stage)


def processes(point: float, sizes: Sizes) -> Figures:
    """So many worker processes wait for what a producer then sends in bulk.

    They are there before: while forty Pythons start, the first ones would do all the work. Commands are also
    those inside scripts, and those of the producer.
    """
    with Stage(OURS, jobs=sizes.jobs, size=sizes.payload) as stage:
        stage.start(round(point))
        stage.until(lambda: stage.server.count_of(WORKERS) >= point, what="all processes are there")
        stage.ready()
        stage.until_calm()
        commands, cpu = stage.server.commands(), stage.server.cpu_seconds()
        stage.produce("bulk", ids=str(stage.ids))
        marks = stage.marks()
        stage.until(marks.all_done, what="every job ran")
        stage.until_calm()
        ran = marks.last()
        figures = {
            "runs per second": len(ran) / ((max(ran) - min(ran)) / 1e9),
            "Redis commands per run": (stage.server.commands() - commands).total() / stage.jobs,
            "Redis CPU us per run": (stage.server.cpu_seconds() - cpu) / stage.jobs * 1e6,
            "worker memory MiB": stage.worker_memory() / 2**20,
        }
        read_back(stage)
        return figures


def payload(point: float, sizes: Sizes) -> Figures:
    """So many bytes are in each event."""
    size = round(point)
    jobs = max(min(sizes.jobs, round(64 * 2**20 / size)), 100)
    # A bulk send stays below a few MiB, as a producer would keep it.
    with Stage(OURS, jobs=jobs, size=size, batch=max(min(1_000, 2**22 // size), 1)) as stage:
        figures = _drained(stage)
    return {**figures, "MiB per second": figures["runs per second"] * size / 2**20}


def steps(point: float, sizes: Sizes) -> Figures:
    """So many steps, one after the other, are in each of fifty runs that go at a time."""
    number = round(point)
    jobs = max(sizes.jobs // (2 * number), _AT_A_TIME)
    peer = replace(_SHAPES, concurrency=_AT_A_TIME)
    with Stage(peer, jobs=jobs, size=sizes.payload, BENCH_SHAPE="many-steps", BENCH_NUMBER=str(number)) as stage:
        figures = _drained(stage, event="many-steps")
        began, ended = stage.marks(range(BEGAN, BEGAN + 1)).last()[0], max(stage.marks().last())
    redis, worker = figures["Redis CPU us per run"], figures["worker CPU us per run"]
    return {
        "steps per second": jobs * number / ((ended - began) / 1e9),
        "Redis CPU us per step": redis / number,
        "worker CPU us per step": worker / number,
    }


def persistence(point: float, sizes: Sizes) -> Figures:
    """Redis writes what happens to a file: not at all, once a second, before each answer."""
    peer = replace(OURS, appendfsync=APPENDFSYNC[round(point)])
    with Stage(peer, jobs=sizes.jobs, size=sizes.payload) as stage:
        return _drained(stage)


LINES = (
    Line(
        name="backlog",
        title="Drain rate against the depth of the queue",
        varied="events waiting",
        points=(1e3, 1e4, 1e5),
        full=(1e3, 1e4, 1e5, 1e6),
        measure=backlog,
        keeps=0.8,
    ),
    Line(
        name="beside",
        title="Drain rate with delayed events and sleeping runs beside it",
        varied="delayed events, and a tenth as many sleeping runs",
        points=(0, 1e4, 1e5),
        full=(0, 1e4, 1e5, 1e6),
        measure=beside,
        keeps=0.8,
    ),
    Line(
        name="functions",
        title="Drain rate against registered functions",
        varied="functions",
        points=(1, 10, 100, 1000),
        full=(1, 10, 100, 1000),
        measure=functions,
        keeps=0.8,
    ),
    Line(
        name="processes",
        title="Drain rate against worker processes",
        varied="processes",
        points=(1, 2, 4, 10),
        full=(1, 2, 4, 10, 20, 40),
        measure=processes,
        keeps=0.6,
        base=2,
    ),
    Line(
        name="payload",
        title="Drain rate against the size of the payload",
        varied="bytes",
        points=(100, 1e3, 1e4, 262_144),
        full=(100, 1e3, 1e4, 65_536, 262_144),
        measure=payload,
    ),
    Line(
        name="steps",
        title="Steps per second against the steps of a run",
        varied="steps in a run",
        points=(1, 10, 100, 1000),
        full=(1, 10, 100, 1000),
        measure=steps,
        figure="steps per second",
        keeps=0.8,
    ),
    Line(
        name="persistence",
        title="Drain rate against persistence",
        varied="appendfsync",
        points=(0, 1, 2),
        full=(0, 1, 2),
        measure=persistence,
        names=APPENDFSYNC,
    ),
)
