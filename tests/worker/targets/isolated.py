"""Functions that run in processes of their own, and do there what nobody should."""

import ctypes
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import bgjobs
from bgjobs import App, Context, SyncContext

app = App("isolated", retries=0)

MIB = 2**20


@app.function("child")
async def child(ctx: Context[Any]) -> dict[str, Any]:
    """Runs on the worker's own loop."""
    return {"pid": os.getpid(), "got": ctx.event.data}


@app.function("everything", on="everything", isolation="process")
def everything(ctx: SyncContext[Any]) -> dict[str, Any]:
    """Uses every verb, and leaves in between."""
    first = ctx.step.run("pid", os.getpid)
    ctx.step.sleep("nap", 1.0)
    pair = ctx.step.parallel([lambda: ctx.step.run("a", lambda: 1), lambda: ctx.step.run("b", lambda: 2)])
    ctx.progress(50, "half")
    invoked = ctx.step.invoke("child", child, {"n": 1})
    sent = ctx.step.send_event("tell", "told", {"by": ctx.run_id})
    late = ctx.step.wait_for_event("late", "never/comes", timeout=0.05)
    return {
        "first": first,
        "now": os.getpid(),
        "pair": pair,
        "child": invoked,
        "sent": sent,
        "late": late,
        "data": ctx.event.data,
        "key": ctx.step.run("key", lambda: ctx.step.key),
        "attempt": ctx.attempt,
    }


@app.function("pid", on="pid", isolation="process")
def pid(ctx: SyncContext[Any]) -> int:
    return os.getpid()


@app.function("raises", on="raises", isolation="process", retries=1, backoff=0.05)
def raises(ctx: SyncContext[Any]) -> None:
    raise KeyError(f"attempt {ctx.attempt}")


@app.function("unserialisable", on="unserialisable", isolation="process")
def unserialisable(ctx: SyncContext[Any]) -> Any:
    return {"lock": threading.Lock()}


@app.function("step-fails", on="step-fails", isolation="process")
def step_fails(ctx: SyncContext[Any]) -> str:
    def broken() -> None:
        raise RuntimeError("no stock")

    try:
        ctx.step.run("broken", broken)
    except bgjobs.StepFailed as error:
        return f"caught {error.message}"
    return "not caught"


@app.function("hangs", on="hangs", isolation="process", timeout=0.5)
def hangs(ctx: SyncContext[Any]) -> None:
    Path(ctx.event.data).write_text(str(os.getpid()))
    while True:
        pass


@app.function("endless", on="endless", isolation="process")
def endless(ctx: SyncContext[Any]) -> None:
    Path(ctx.event.data).write_text(str(os.getpid()))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


@app.function("crashes", on="crashes", isolation="process")
def crashes(ctx: SyncContext[Any]) -> None:
    ctypes.string_at(0)


@app.function("exits", on="exits", isolation="process")
def exits(ctx: SyncContext[Any]) -> None:
    os._exit(7)


@app.function("grows", on="grows", isolation=bgjobs.ProcessIsolation(memory=150 * MIB))
def grows(ctx: SyncContext[Any]) -> None:
    held = []
    while True:
        held.append(b"x" * (5 * MIB))
        time.sleep(0.01)


@app.function("bursts", on="bursts", isolation=bgjobs.ProcessIsolation(memory=150 * MIB))
def bursts(ctx: SyncContext[Any]) -> int:
    return len(b"x" * (4096 * MIB))
