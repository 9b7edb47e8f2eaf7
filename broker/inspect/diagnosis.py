"""What is right and wrong with a server and a namespace: pure judgement of a `Condition`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ..defaults import INGEST_PAUSE_MEMORY_SHARE, INGEST_PAUSE_READY_RUNS, MIB, SCHEMA, SHARDS
from ..server_info import Severity, findings
from .apps import AppInfo
from .condition import Condition
from .limits import limits_of_apps
from .workers import WorkerInfo

SLOW_REPLY_SECONDS = 0.05
CLOCK_HINT_SECONDS = 2.0
CLOCK_PROBLEM_SECONDS = 60.0  # event ids carry the sender's clock, and duplicates are looked for by it
LAG_HINT = 1_000
WAITED_LONG_SECONDS = 60.0
UNREAPED_SECONDS = 60.0
LISTPACK_HINT = 512
_ROLES = {"master": "primary", "slave": "replica"}


class Judgement(StrEnum):
    """How something is."""

    OK = "ok"
    HINT = "hint"  # it works, and could be better
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    topic: str  # "server", "memory", "app shop" ...
    judgement: Judgement
    what: str
    remedy: str = ""


def diagnose(condition: Condition) -> list[Check]:
    """Judge everything, in a fixed order of topics."""
    return [
        *_server(condition),
        *_memory(condition),
        *_namespace(condition),
        *_workers(condition),
        *(check for app in condition.apps for check in _app(app, condition)),
        *_limits(condition),
        *_timers(condition),
        *_letters(condition),
    ]


def _server(condition: Condition) -> Iterator[Check]:
    server = condition.server
    reply = f"{condition.reply_seconds * 1000:.1f} ms"
    role = _ROLES.get(server.role or "", "unknown role")
    yield _ok("server", f"{server.name} {server.version_text}, {role}, answers in {reply}")
    for finding in findings(server):
        judgement = Judgement.PROBLEM if finding.severity is Severity.REFUSED else Judgement.HINT
        yield Check(topic="server", judgement=judgement, what=finding.what, remedy=finding.remedy)
    if server.append_only:
        yield _ok("server", f"append-only file, fsync {server.fsync or 'unknown'}; eviction {server.eviction_policy}")
    for error in condition.disk_errors:
        yield _problem("server", f"Its last write to disk failed ({error}).", "Look into its log, and for disk space.")
    if condition.reply_seconds > SLOW_REPLY_SECONDS:
        yield _hint("server", f"A reply takes {reply}.", "Run workers and senders near the server.")
    offset = condition.clock_seconds
    if abs(offset) > CLOCK_HINT_SECONDS:
        judge = _problem if abs(offset) > CLOCK_PROBLEM_SECONDS else _hint
        ahead = "ahead of" if offset > 0 else "behind"
        what = f"The server's clock is {abs(offset):.1f} s {ahead} this machine's."
        yield judge("clock", what, "Synchronise both by NTP: ids of events carry the sender's time.")
    else:
        yield _ok("clock", f"differs by {abs(offset) * 1000:.0f} ms from this machine's")


def _memory(condition: Condition) -> Iterator[Check]:
    server = condition.server
    used = "unknown" if server.used_memory is None else f"{server.used_memory / MIB:,.0f} MiB"
    if server.max_memory:
        share = (server.used_memory or 0) / server.max_memory
        text = f"{used} of {server.max_memory / MIB:,.0f} MiB ({share:.0%}) used"
        if share > INGEST_PAUSE_MEMORY_SHARE:
            what = f"{text}: above {INGEST_PAUSE_MEMORY_SHARE:.0%} no events are ingested."
            yield _problem("memory", what, "Give Redis more memory, or find what fills it: redis-cli --bigkeys.")
        else:
            yield _ok("memory", text)
    else:
        yield _ok("memory", f"{used} used, no limit")
    value = condition.listpack_value
    if value is not None and value < LISTPACK_HINT:
        what = f"hash-max-listpack-value is {value}: event data is stored apart from its run."
        yield _hint("memory", what, "`hash-max-listpack-value 1024` saves memory and a fifth of the server's time.")


def _namespace(condition: Condition) -> Iterator[Check]:
    if condition.shards is None and condition.schema is None:
        yield _hint("namespace", "Nothing was ever written here.", "Check --namespace, or send a first event.")
    elif condition.schema != str(SCHEMA):
        what = f"It was written with schema {condition.schema}; this bgjobs has {SCHEMA}."
        yield _problem("namespace", what, "Use the bgjobs version that fits, or another namespace.")
    elif condition.shards != str(SHARDS):
        what = f"It has {condition.shards} shards; this bgjobs works with {SHARDS}."
        yield _problem("namespace", what, "Use the same setting everywhere, or another namespace.")
    else:
        size = f"{_of(SHARDS, 'shard')}, {_of(len(condition.apps), 'app')}"
        yield _ok("namespace", f"schema {condition.schema}, {size}")


def _workers(condition: Condition) -> Iterator[Check]:
    alive = [worker for worker in condition.workers if worker.alive]
    yield _ok("workers", f"{len(alive)} alive, with {_of(sum(worker.running for worker in alive), 'run')}")
    for worker in condition.workers:
        if worker.lease_seconds < -UNREAPED_SECONDS:
            what = f"The lease of {worker.id} is over for {-worker.lease_seconds:.0f} s and nobody takes back its runs."
            yield _problem("workers", what, "Start a worker; any one takes over what dead ones held.")


def _app(app: AppInfo, condition: Condition) -> Iterator[Check]:
    topic = f"app {app.id}"
    alive = [worker for worker in condition.workers if worker.alive and worker.app == app.id]
    count = len(app.registry.definitions)
    if not alive and count:
        yield _problem(
            topic,
            f"No worker runs, so its {_of(count, 'function')} {'starts' if count == 1 else 'start'} nothing.",
            f"Start one (bgjobs worker MODULE:APP), or forget the app (bgjobs apps remove {app.id}).",
        )
    yield from _stream(app, topic, alive)
    yield from _queues(app, topic, alive, condition)
    if alive:
        yield from _without_worker(app, topic, alive)
    yield from _of_retired(app, topic, condition)


def _without_worker(app: AppInfo, topic: str, alive: list[WorkerInfo]) -> Iterator[Check]:
    for function, definition in sorted(app.registry.definitions.items()):
        queue = str(definition.get("queue", "default"))
        if any(worker.runs(function, queue) for worker in alive):
            continue
        if any(worker.has(function) for worker in alive):
            what = f"No worker that has the function {function} reads its queue {queue}."
            yield _problem(topic, what, f"Start one that does: --queues {queue}.")
        else:
            remedy = f"Start the deployment that has it, or: bgjobs functions remove {app.id}/{function}"
            yield _problem(topic, f"No worker has the function {function}.", remedy)


def _of_retired(app: AppInfo, topic: str, condition: Condition) -> Iterator[Check]:
    for function in app.registry.retired:
        key = f"{app.id}/{function}"
        ready = sum(queue.ready for queue in condition.load.queues if queue.name.split(":")[::2] == [app.id, function])
        count = ready + condition.load.waiting_of.get(key, 0)
        if count:
            what = f"{_of(count, 'run')} of {function} {'is' if count == 1 else 'are'} left, which is retired."
            remedy = f"Give them to another function: bgjobs functions move {key} NEW; or bgjobs functions remove {key}"
            yield _hint(topic, what, remedy)


def _stream(app: AppInfo, topic: str, alive: list[WorkerInfo]) -> Iterator[Check]:
    group = app.group
    if group is None:
        if app.registry.definitions:
            what = "Its place in the event stream is lost."
            yield _problem(topic, what, "A worker that starts, or runs, makes it anew where it stopped.")
        return
    lag = "an unknown number of" if group.lag is None else f"{group.lag:,}"
    text = f"{lag} events to read, {group.pending:,} being ingested"
    if group.lag is not None and group.lag > LAG_HINT and alive:
        remedy = "Look for errors in the workers' log; doctor's other findings may be the reason."
        yield _hint(topic, f"It lags behind: {text}.", remedy)
    else:
        yield _ok(topic, text)


def _queues(app: AppInfo, topic: str, alive: list[WorkerInfo], condition: Condition) -> Iterator[Check]:
    ready = 0
    for queue in condition.load.queues:
        if queue.name.partition(":")[0] != app.id:
            continue
        ready += queue.ready
        age = queue.oldest_seconds or 0.0
        if queue.ready and age > WAITED_LONG_SECONDS:
            running, room = sum(worker.running for worker in alive), sum(worker.capacity or 0 for worker in alive)
            what = f"{queue.ready:,} are ready in {queue.name}, the first for {age:.0f} s; {running} run of {room}."
            yield _problem(topic, what, f"Start more workers for it: --queues {queue.name.split(':')[1]}.")
        if queue.suspects:
            what = f"{queue.suspects} runs in {queue.name} were in workers that died."
            yield _hint(topic, what, "They start one at a time; look at the workers' memory and logs.")
    if ready > INGEST_PAUSE_READY_RUNS:
        yield _problem(topic, f"{ready:,} runs are ready: no events are ingested meanwhile.", "Start more workers.")


def _limits(condition: Condition) -> Iterator[Check]:
    for limit in limits_of_apps(condition.apps, {}, {}):
        if limit.conflict:
            said = ", ".join(f"{value} in {function}" for function, value in sorted(limit.code.items()))
            remedy = "The smallest holds. Give them one value, or say which: bgjobs limits set."
            yield _hint("limits", f"Functions that share the limit {limit.target} disagree: {said}.", remedy)


def _timers(condition: Condition) -> Iterator[Check]:
    load = condition.load
    if load.overdue:
        yield _problem(
            "timers", f"{load.overdue:,} of {load.timers:,} are overdue.", "Start a worker: any one fires them."
        )
    else:
        yield _ok(
            "timers", f"{load.timers:,} set, none overdue; {load.waiting:,} runs wait, {load.parked:,} are parked"
        )
    for bad in load.bad_timers:
        yield _problem("timers", f"A timer errs: {bad}", "Please report it; the run can be cancelled by hand.")
    if condition.cron_overdue:
        what = f"{condition.cron_overdue} cron entries or schedules should have ticked a minute ago."
        yield _problem("cron", what, "Start a worker of their app.")


def _letters(condition: Condition) -> Iterator[Check]:
    if condition.dead_letters:
        yield _hint(
            "dead letters",
            f"There {'is' if condition.dead_letters == 1 else 'are'} {condition.dead_letters:,}.",
            "Look at them: bgjobs dlq list",
        )
    else:
        yield _ok("dead letters", "none")


def _of(count: int | str, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {noun}" if str(count) == "1" else f"{count} {noun}s"


def _ok(topic: str, what: str) -> Check:
    return Check(topic=topic, judgement=Judgement.OK, what=what)


def _hint(topic: str, what: str, remedy: str) -> Check:
    return Check(topic=topic, judgement=Judgement.HINT, what=what, remedy=remedy)


def _problem(topic: str, what: str, remedy: str) -> Check:
    return Check(topic=topic, judgement=Judgement.PROBLEM, what=what, remedy=remedy)
