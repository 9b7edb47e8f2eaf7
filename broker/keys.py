"""Every key that bgjobs holds in Redis; a row comes before the code that writes it (R49).

T is `bgjobs:{<namespace>:<shard>}:`. Each row: key, type: content; lifetime.

T ev  stream: events: n name, i id, g 1 if the id was generated, d msgpack data, t due ms, k partition key, x
    traceparent, r re-send, f function key; trimmed up to what every group acknowledged, less the history
T ga:<app>  string: where a lost group resumes: an id, or `<id`: everything below it; for good
T ap  set: apps ever registered; for good
T gr  hash: v version counter, bt last beat, rw no reaping before, b the growing write of ingest; for good
T sn:<app>:<7 of a generated id>:<event name>  set: ids ingested, by 32 s of the ids' own time; 3 minutes
T sn:<app>:=<event key>  string: stream id of an event with a supplied id; 24 h
T fn:<app>  hash: f:<function> definition, x:<function> retired, d:<deployment> stamp and functions; for good
T po:<app>  hash: stream id of an event with more runs than one call makes -> function key up to which they are made;
    until all are
T fv:<app>  hash: event name -> version of its triggers; * for wildcards; for good
T li  hash: `<lifecycle event>|<function key>` for triggers that name one; with the trigger
T lm  hash: limiter definition -> limit, or `<limit> <period ms> <burst>` of a throttle; for good
T e:<event key>  hash: d data, refs records that refer to it; until refs is 0
T fe:<event key>  hash: a delayed event: state, fields, due; until due, then a day
T r:<run>  hash: the run's record, see `RECORD`; until trimmed
T s:<run>  hash: c:<step> envelope, p:<step> pending, f:<step> failures, x:<step> last error, @r result, @e error,
    @p progress, @c cancel_on, h:<n> attempts that failed and the like, @n their number; with the run
T q:<app>:<queue>[:<function>]  zset: ready runs by score; while not empty
T qs:<app>:<queue>[:<function>]  zset: ready runs that two workers died with; while not empty
T qm:<app>  set: functions with a queue of their own; for good
T wk  zset: incarnation -> lease expiry ms; until reaped
T wi:<w>  hash: what an incarnation says of itself; seq, ttl ms, top (charge at which its runs are taken back);
    with the incarnation
T in:<w>  zset: its runs -> lease ms; with the incarnation
T mb:<w>  list: its mail: cancels and outcomes; with the incarnation
T bell:<queue>, T bell:@<w>  list: wake tokens; 60 s
T dl  zset: timers: s|run|step, z|run, l|limiter, e|event key, c|run|g -> due ms; until fired
T bad  zset: timers, r|run reaped, i|stream id ingested and k|key written that erred, with the error -> when; until
    looked at
T lv  hash: `<limiter definition>|<function key>` -> what the function's code says; while registered
T lo  hash: limiter definition -> msgpack of what an operator says instead, since when, who, why; until cleared, or the
    code gives another value
T lc:<limiter>  set: runs that hold a slot, or that a throttle let in and that have not started; while held
T lt:<limiter>  string: clock of a throttle: ms up to which its starts use up its rate; until it is past
T fr:<limiter>  zset: ready runs of one value of a fairness key -> score; while ready
T fk:<limiter definition>  zset: value of a fairness key -> score of its last ready run; while ready
T sg:<limiter>  string: the run that owns a singleton; until it ends
T pz  hash: `f|<function key>`, `q|<app>:<queue>`, `k|<function key>|<limiter>` -> c (paused) or o (resumed, letting
    go), and msgpack of since when, by whom, what, why; until resumed and all let go
T bk:<limiters>  zset: parked runs with the same limiters, or of a pause: `!<field of pz>`,
    or of a singleton: `!s|<limiter>`; while parked
T lb:<limiter>  zset: backlogs it holds -> score of the head; while held
T bh  hash: backlog -> the limiter that holds it; while held
T w:<app>|<name>|<path>|<value hash>  zset: waits: .run|step, or ?run|step with a filter -> expiry; while waiting
T w:$signal|<name>  zset: waits for a signal; while waiting
T wn:<app>  hash: event name waited for -> {version, {path: waits}}; while waited for
T wt:<function key>  zset: waiting runs -> since ms; while waiting
T ks:<name>  string: a kept signal's envelope; as asked
T au  stream: changes by hand: t when, a by whom, v verb, w what, d detail; the last 10,000, for good
T id:<function key>:<value>  string: run that has an idempotency key, and until when; until then
T rl:<function key>:<value>  list: times of the events that a rate limit let pass; its period
T dr:<run>  string: why an event made no run of that id: reason, function, event, the run or dead letter that stands
    for it; an hour
T dn:<minute>  string: how many of those were kept; 2 minutes
T db:<function key>:<value>  string: the run that collects for a debounce or batch; while it collects
T b:<run>  list: events of a batch: stream id, name, id, ms, partition key, and data or the event key where that is;
    with the run
T cx:<cancel_on>  zset: `<run>|<stream id of its event>` that an event ends -> until ms; while live
T cm:<cancel_on>  string: stream id of the last event that cancels, and until when it counts; 60 s
T cr  zset: `<app>/<function>|<cron>` or `$|<schedule>` -> next tick ms; while registered
T sc  hash: schedule id -> schedule; until deleted
T dq  stream: dead letters: k kind, r run, f function, y type, m message, p fingerprint, s reason, a attempts, t
    created; by age
T done:<function key>:<state>  zset: finished runs -> finish ms; trimmed
T st:<minute>  hash: `<function key>|<state>` -> finished runs, `<function key>|<reason>` -> dropped events; 25 h
bgjobs:{<namespace>}:conf  hash: shards, schema; for good
"""

from __future__ import annotations

from typing import Final

from .ids import ONLY_SHARD

#: The fields of a run's record; values stay at 64 bytes or less (R48), but for an event's data kept inside.
RECORD: Final = {
    "s": "state: q r w c f x",
    "f": "function key",
    "q": "queue",
    "n": "event name",
    "i": "event id",
    "d": "event data, if it is kept here",
    "e": "event key, if the data is kept there",
    "t": "created, ms; none where the score tells it",
    "b": "first lease, ms",
    "z": "finished, ms",
    "sc": "score: time of first eligibility less priority, kept through parking and reaping (R15)",
    "el": "first eligible, ms, if that is not when it was created: replayed",
    "g": "fence number",
    "w": "incarnation of the last lease",
    "l": "limiters, joined by a space",
    "h": "1: its slots are taken; 2: those that it keeps while it waits",
    "pg": "what it is parked behind: the pause of f, q, or k and the limiter of the key; s and a singleton",
    "a": "run attempts that failed",
    "k": "deaths of workers charged to it (R21)",
    "st": "1: it may have a steps hash before its first lease, or what belongs to it",
    "sb": "bytes of its checkpoints of more than 256 bytes",
    "np": "pending steps",
    "o": "result of at most 64 bytes",
    "x": "it was asked to stop, and why",
    "pk": "partition key of the event",
    "pa": "parent run",
    "ps": "step of the parent that waits for it",
    "dp": "how many invocations deep it is",
    "rc": "replays from the failed step",
    "ro": "the run it replays from the start",
    "fs": "the step whose failure escaped",
    "dl": "its dead letter",
    "ts": "start_timeout, ms",
    "tf": "finish_timeout, ms",
    "kd": "kind: cron, invoke, failure, batch; none: event",
}


class Keys:
    """The keys of one shard of a namespace."""

    __slots__ = ("conf", "prefix")

    def __init__(self, namespace: str, shard: str = ONLY_SHARD) -> None:
        self.prefix = f"bgjobs:{{{namespace}:{shard}}}:"
        self.conf = f"bgjobs:{{{namespace}}}:conf"

    def __call__(self, name: str) -> str:
        """The key of a row above: `keys("ev")`, `keys("r:" + run)`."""
        return self.prefix + name

    @property
    def anchor(self) -> str:
        """The key that never exists: every script is routed by it and touches it first (R55)."""
        return self.prefix + "nil"

    @property
    def events(self) -> str:
        return self.prefix + "ev"

    def run(self, run: str) -> str:
        return f"{self.prefix}r:{run}"

    def steps(self, run: str) -> str:
        return f"{self.prefix}s:{run}"

    def bell(self, queue: str) -> str:
        return f"{self.prefix}bell:{queue}"

    def personal_bell(self, incarnation: str) -> str:
        return f"{self.prefix}bell:@{incarnation}"
