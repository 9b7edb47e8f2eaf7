"""What the diagnosis makes of a condition: one deviation at a time from a healthy one."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bgjobs.broker.inspect.apps import AppInfo, GroupInfo
from bgjobs.broker.inspect.condition import Condition
from bgjobs.broker.inspect.diagnosis import Check, Judgement, diagnose
from bgjobs.broker.inspect.queues import Load, QueueInfo
from bgjobs.broker.inspect.registry import Registry
from bgjobs.broker.inspect.workers import WorkerInfo
from bgjobs.broker.server_info import ServerInfo

SERVER = ServerInfo(
    name="redis",
    version=(7, 4, 0),
    role="master",
    eviction_policy="noeviction",
    max_memory=1_000_000_000,
    used_memory=100_000_000,
    append_only=True,
    fsync="everysec",
    snapshots=True,
)
WORKER = WorkerInfo(
    id="w1",
    app="shop",
    host="h",
    pid=1,
    version="1",
    deployment="default",
    queues=(),
    functions=("pack",),
    running=3,
    capacity=50,
    mail=0,
    started=datetime(2026, 1, 1, tzinfo=UTC),
    lease_seconds=14,
)
GROUP = GroupInfo(last="1-0", lag=0, pending=0, oldest_pending=None, consumers=1)
APP = AppInfo(
    id="shop", registry=Registry(definitions={"pack": {"queue": "default"}}, versions={}, deployments={}), group=GROUP
)
QUEUE = QueueInfo(name="shop:default", ready=0, oldest_seconds=None, suspects=0)
LOAD = Load(queues=(QUEUE,), parked=0, backlogs=0, waiting=0, waiting_of={}, timers=5, overdue=0, bad_timers=())
HEALTHY = Condition(
    server=SERVER,
    reply_seconds=0.0004,
    clock_seconds=0.01,
    listpack_value=1024,
    disk_errors=(),
    shards="1",
    schema="1",
    apps=(APP,),
    workers=(WORKER,),
    load=LOAD,
    dead_letters=0,
    cron_overdue=0,
)


def found(condition: Condition) -> list[Check]:
    """What is not as it should be."""
    return [check for check in diagnose(condition) if check.judgement is not Judgement.OK]


def test_a_healthy_condition_has_nothing_to_say_against_it() -> None:
    assert found(HEALTHY) == []
    assert {check.topic for check in diagnose(HEALTHY)} == {
        "server",
        "clock",
        "memory",
        "namespace",
        "workers",
        "app shop",
        "timers",
        "dead letters",
    }


def load(**changes: Any) -> dict[str, Any]:
    return {"load": replace(LOAD, **changes)}


def server(**changes: Any) -> dict[str, Any]:
    return {"server": replace(SERVER, **changes)}


def queue(**changes: Any) -> dict[str, Any]:
    return load(queues=(replace(QUEUE, **changes),))


def group(**changes: Any) -> dict[str, Any]:
    return {"apps": (replace(APP, group=replace(GROUP, **changes)),)}


RETIRED = replace(APP, registry=replace(APP.registry, retired=("old",)))
PROBLEM, HINT = Judgement.PROBLEM, Judgement.HINT


@pytest.mark.parametrize(
    ("changes", "topic", "judgement", "said"),
    [
        (server(version=(6, 2, 0)), "server", PROBLEM, "too old"),
        (server(eviction_policy="allkeys-lru"), "server", PROBLEM, "allkeys-lru"),
        (server(eviction_policy="volatile-ttl"), "server", HINT, "volatile-ttl"),
        (server(role="slave"), "server", PROBLEM, "replica"),
        (server(append_only=False), "server", HINT, "snapshots only"),
        (server(append_only=False, snapshots=False), "server", HINT, "nothing on disk"),
        ({"disk_errors": ("aof_last_write_status",)}, "server", PROBLEM, "aof_last_write_status"),
        ({"reply_seconds": 0.2}, "server", HINT, "200.0 ms"),
        ({"clock_seconds": -5.0}, "clock", HINT, "5.0 s behind"),
        ({"clock_seconds": 90.0}, "clock", PROBLEM, "90.0 s ahead"),
        (server(used_memory=800_000_000), "memory", PROBLEM, "no events are ingested"),
        ({"listpack_value": 64}, "memory", HINT, "hash-max-listpack-value is 64"),
        ({"shards": None, "schema": None}, "namespace", HINT, "Nothing was ever written"),
        ({"schema": "2"}, "namespace", PROBLEM, "schema 2"),
        ({"shards": "16"}, "namespace", PROBLEM, "16 shards"),
        ({"workers": (WORKER, replace(WORKER, id="w2", lease_seconds=-70))}, "workers", PROBLEM, "lease of w2"),
        ({"workers": (replace(WORKER, functions=("other",)),)}, "app shop", PROBLEM, "No worker has the function pack"),
        ({"workers": (replace(WORKER, queues=("heavy",)),)}, "app shop", PROBLEM, "reads its queue default"),
        ({"apps": (RETIRED,), **load(waiting_of={"shop/old": 1})}, "app shop", HINT, "1 run of old is left"),
        ({"apps": (RETIRED,), **queue(name="shop:default:old", ready=2)}, "app shop", HINT, "2 runs of old are left"),
        ({"apps": (replace(APP, group=None),)}, "app shop", PROBLEM, "place in the event stream is lost"),
        (group(lag=5_000), "app shop", HINT, "5,000 events to read"),
        (queue(ready=7, oldest_seconds=90.0), "app shop", PROBLEM, "7 are ready in shop:default, the first for 90 s"),
        (queue(ready=1, suspects=2), "app shop", HINT, "workers that died"),
        (queue(ready=100_001, oldest_seconds=1.0), "app shop", PROBLEM, "no events are ingested meanwhile"),
        (load(overdue=3), "timers", PROBLEM, "3 of 5 are overdue"),
        (load(bad_timers=("s|run|step oops",)), "timers", PROBLEM, "s|run|step oops"),
        ({"cron_overdue": 1}, "cron", PROBLEM, "1 cron entries"),
        ({"dead_letters": 1_200}, "dead letters", HINT, "1,200"),
    ],
)
def test_each_deviation_is_named(changes: dict[str, Any], topic: str, judgement: Judgement, said: str) -> None:
    """R5, R13: and every finding says what to do."""
    (check,) = found(replace(HEALTHY, **changes))
    assert (check.topic, check.judgement) == (topic, judgement)
    assert said in check.what
    assert check.remedy


def test_an_app_without_workers_is_one_problem() -> None:
    (check,) = found(replace(HEALTHY, workers=()))
    assert check.what == "No worker runs, so its 1 function starts nothing."
    retired = replace(APP, registry=Registry(definitions={}, versions={}, deployments={}, retired=("pack",)))
    assert found(replace(HEALTHY, workers=(), apps=(retired,))) == []


def test_a_worker_that_does_not_name_its_functions_is_taken_to_have_all() -> None:
    assert found(replace(HEALTHY, workers=(replace(WORKER, functions=()),))) == []
