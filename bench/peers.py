"""Who is compared, and how its workers are started. settings.md cites the document for each setting."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import postgres

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-bench"
NODE = ROOT / "bench" / "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One system, or one way of using it.

    Attributes:
        name: as the report shows it.
        environment: its folder in .venv-bench; "": Node.
        app: module of its jobs and producer.
        worker: the command of a worker, without the program's folder; {app}, {concurrency}, {processes} are filled in.
        more_processes: what is added for more than one process; empty: the command is started that often.
        variables: of its worker's environment.
        producer: class in the app.
        concurrency: jobs at hand per worker process, where it has such a setting.
        share: part of the jobs of a drain that it gets, so that slow ones don't hold up all.
        keeps_runs: whether each run can be read back by its id afterwards.
        database: "redis", or "postgres" for one that needs no Redis.
        appendfsync: how its Redis persists: "no": not at all; "everysec" or "always".
        parts: what it is measured in: "enqueue", "work", "durable"; ways of using a system may differ in only one.
    """

    name: str
    environment: str = ""
    app: str = ""
    worker: tuple[str, ...] = ()
    more_processes: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    producer: str = "Producer"
    concurrency: int = 100
    share: float = 1.0
    keeps_runs: bool = False
    database: str = "redis"
    appendfsync: str = "no"
    parts: tuple[str, ...] = ("enqueue", "work")

    @property
    def missing(self) -> str:
        """What it needs and is not here, in words; empty if nothing is."""
        if self.database == "postgres" and postgres.programs() is None:
            return "PostgreSQL is not installed here (Debian: apt-get install postgresql)"
        if self.environment:
            there = (ENVIRONMENTS / self.environment / "bin" / "python").exists()
            return "" if there else f"it is not in {ENVIRONMENTS.name} (`make bench` installs it)"
        if shutil.which("node") is None:
            return "node is not installed here (Debian: apt-get install nodejs npm)"
        return "" if (NODE / "node_modules").is_dir() else "its packages are not there (`make bench` installs them)"

    def program(self, name: str) -> str:
        """The path of a program in its environment."""
        return str(ENVIRONMENTS / self.environment / "bin" / name)

    def commands(self, processes: int) -> list[list[str]]:
        """What to start for so many worker processes."""
        words = {"app": self.app, "concurrency": str(self.concurrency), "processes": str(processes)}
        command = [word.format(**words) for word in self.worker]
        if self.environment:
            command[0] = self.program(command[0])
        if processes == 1:
            return [command]
        told = [word.format(**words) for word in self.more_processes]
        in_one = told or any("{processes}" in word for word in self.worker)
        return [command + told] if in_one else [command] * processes

    def producing(self, spec: str) -> list[str]:
        """What to start to enqueue."""
        if self.environment:
            return [self.program("python"), "-m", "bench.produce", self.app, spec]
        return ["node", "bench/node/produce.mjs", spec]


def _bgjobs(name: str, environment: str, producer: str, *parts: str, appendfsync: str = "no") -> Peer:
    return Peer(
        name=name,
        environment=environment,
        app="bench.apps.bgjobs_app",
        worker=("bgjobs", "worker", "{app}:app", "--concurrency", "{concurrency}"),
        more_processes=("--processes", "{processes}"),
        producer=producer,
        concurrency=200,
        keeps_runs=True,
        appendfsync=appendfsync,
        parts=parts,
    )


OURS = _bgjobs("bgjobs", "bgjobs", "Producer", "enqueue", "work", "durable")

PEERS = (
    OURS,
    _bgjobs("bgjobs asyncio", "bgjobs", "AsyncProducer", "enqueue"),
    _bgjobs("bgjobs without uvloop", "bgjobs-plain", "Producer", "work"),
    _bgjobs("bgjobs with AOF everysec", "bgjobs", "Producer", "durable", appendfsync="everysec"),
    _bgjobs("bgjobs with AOF always", "bgjobs", "Producer", "durable", appendfsync="always"),
    # Enqueues only: the least that a sender of events can do.
    Peer(name="bare redis-py", environment="bgjobs", app="bench.apps.bare_app", parts=("enqueue",)),
    Peer(name="BullMQ", worker=("node", "bench/node/worker.mjs")),
    Peer(
        name="Dramatiq",
        environment="dramatiq",
        app="bench.apps.dramatiq_app",
        worker=("dramatiq", "bench.apps.dramatiq_app", "--processes", "{processes}", "--threads", "8"),
        share=0.3,
    ),
    Peer(
        name="taskiq",
        share=0.3,
        environment="taskiq",
        app="bench.apps.taskiq_app",
        worker=(
            *("taskiq", "worker", "bench.apps.taskiq_app:broker", "--workers", "{processes}"),
            *("--max-async-tasks", "{concurrency}", "--log-level", "WARNING"),
        ),
    ),
    Peer(
        name="huey",
        share=0.2,
        environment="huey",
        app="bench.apps.huey_app",
        worker=("huey_consumer", "bench.apps.huey_app.huey", "-k", "process", "-w", "{processes}", "-n", "-q"),
    ),
    Peer(
        name="docket",
        share=0.2,
        environment="docket",
        app="bench.apps.docket_app",
        worker=("python", "-m", "bench.apps.docket_worker"),
        # With 100 at a time its pool of 100 connections runs out, and what failed comes again minutes later.
        concurrency=50,
    ),
    Peer(
        name="saq",
        share=0.2,
        environment="saq",
        app="bench.apps.saq_app",
        worker=("saq", "bench.apps.saq_app.settings", "--workers", "{processes}", "--quiet"),
    ),
    Peer(
        name="streaq",
        environment="streaq",
        app="bench.apps.streaq_app",
        worker=("streaq", "run", "bench.apps.streaq_app:worker", "--workers", "{processes}"),
        share=0.15,
    ),
    Peer(
        name="Celery",
        environment="celery",
        app="bench.apps.celery_app",
        worker=(
            *("celery", "-A", "bench.apps.celery_app", "worker", "--pool", "solo", "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        share=0.1,
    ),
    Peer(
        name="arq",
        share=0.2,
        environment="arq",
        app="bench.apps.arq_app",
        worker=("arq", "bench.apps.arq_app.WorkerSettings"),
    ),
    Peer(
        name="RQ",
        environment="rq",
        app="bench.apps.rq_app",
        worker=("rq", "worker", "--worker-class", "rq.SimpleWorker", "--quiet", "bench"),
        share=0.03,
    ),
    # Its workflows run in the process that calls them, its fastest way: there is no worker to start.
    Peer(
        name="DBOS",
        environment="dbos",
        app="bench.apps.dbos_app",
        concurrency=20,
        share=0.05,
        keeps_runs=True,
        database="postgres",
        parts=("durable",),
    ),
)
