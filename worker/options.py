"""Everything a worker process is told, as one frozen value that travels from the command line to each child process."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..broker import defaults

LogFormat = Literal["text", "json"]
StartAt = Literal["", "begin", "end"]  # "": the oldest event if no app was ever registered, else the end (R3)


def default_threads() -> int:
    """How many `def` functions run at a time unless told: five per core, since they mostly wait; at most 32."""
    return min(32, (os.cpu_count() or 1) * 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What `bgjobs worker` and `bgjobs dev` were asked for. All durations are seconds."""

    target: str  # "module:attribute" or "path/to/file.py:attribute"
    redis_url: str = ""  # "": as the app says
    namespace: str = ""  # "": as the app says
    processes: int = 1  # children of the supervisor
    concurrency: int = defaults.WORKER_CONCURRENCY  # runs at a time per process
    threads: int = 0  # of them in threads (`def` functions); 0: `default_threads()`
    queues: tuple[str, ...] = ()  # only these; empty: every queue of the app's functions
    deployment: str = ""  # overrides the app's
    start_at: StartAt = ""  # where an app that was never registered begins to read events
    shutdown_timeout: float = (
        defaults.SHUTDOWN_TIMEOUT_SECONDS
    )  # how long runs may take to end after a stop was requested
    lease_ttl: float = defaults.LEASE_TTL_SECONDS
    max_stall: float = defaults.MAX_STALL_SECONDS  # a loop blocked for longer ends the process; 0: never
    most_ready: int = defaults.INGEST_PAUSE_READY_RUNS  # ready runs of the app above which ingest pauses (R13)
    connect_timeout: float = 30.0  # at start only: how long to wait for Redis
    max_runs_per_process: int = 0  # a child that has finished so many is replaced; 0: never
    max_memory: int = 0  # bytes of resident memory above which a child is replaced; 0: never
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None  # None: the default port if it is free; 0: any free port; -1: off
    log_level: str = "INFO"
    log_format: LogFormat = "text"
    dev: bool = False  # print a line per run with what it returned
    started_us: int = 0  # the supervisor's start (Unix us): decides which registration is the newer one

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON carries."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> WorkerOptions:
        """The inverse of `to_dict`."""
        return cls(**{**fields, "queues": tuple(fields.get("queues", ()))})

    @property
    def sync_threads(self) -> int:
        """How many threads for `def` functions, with the default filled in; never more than runs at a time."""
        return min(self.threads or default_threads(), self.concurrency)
