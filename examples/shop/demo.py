"""`make demo`: a shop's events flow through real worker processes, one of which is killed.

Everything that is told was read back, from Redis or from what the stand-ins of the outside world wrote down. Ends with
status 1 if something that was to be shown is not so. `DEMO_KEEP=1` keeps everything up until Ctrl-C.
"""

import contextlib
import os
import signal
import sys
import time

import click

import bgjobs
from bgjobs.broker.errors import BgjobsError

from . import journal, llm, payments
from .events import AlbumUploaded, DocumentAdded, OrderPlaced, SignedUp
from .stage import LEASE_SECONDS, DemoFailed, Stage, opened_stage

CHAPTERS = [
    "Call me Ishmael",
    "The carpetbag on the way to Nantucket",
    "The spouter inn",
    "The counterpane of patchwork",
    "Breakfast with harpooneers",
    "The street",
]


def main() -> int:
    """Play it. Returns the exit status."""
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended then, too
    try:
        with opened_stage() as stage:
            try:
                play(stage)
                look_around(stage)
            except DemoFailed:
                click.echo(stage.logs(), err=True)
                raise
            click.secho(f"\nAll of this was so; it took {time.monotonic() - started:.0f} s.", fg="green")
            if os.environ.get("DEMO_KEEP", "") not in ("", "0"):
                keep_up(stage)
    except DemoFailed as error:
        click.secho(f"\n{error}", fg="red", err=True)
        return 1
    except BgjobsError as error:
        click.secho(f"\n{error}", fg="red", err=True)
        return error.exit_code
    except KeyboardInterrupt:
        click.echo("\nstopped")
        return 130
    return 0


def play(stage: Stage) -> None:
    """The story."""
    stage.chapter("Workers, as on two machines")
    for processes in (2, 1):
        stage.tell(f"    its processes: {', '.join(map(str, stage.start_worker(processes)))}")
    one_event_for_three_functions(stage)
    warehouse_that_is_down(stage)
    pictures_in_parallel(stage)
    worker_that_is_killed(stage)
    dead_letter_that_comes_back(stage)


def one_event_for_three_functions(stage: Stage) -> None:
    stage.chapter("A customer signs up: one event, three functions")
    sent = stage.client.send(SignedUp(email="ada@example.org"))
    stage.tell(f"sent {sent.name}, id {sent.event_id}")
    for function in ("open-account", "subscribe-to-news"):
        stage.client.result(sent.run_id(function), timeout=30)
    welcome = stage.wait("the welcome series sleeps", lambda: waiting(stage, sent.run_id("welcome-series")))
    for who, what in (("accounts", "created"), ("newsletter", "subscribed"), ("mail", "ada@example.org")):
        deed = journal.deeds(who, what)[0]
        stage.tell(f"pid {deed.pid}: {deed.who} {deed.what} {deed.subject}")
    runs = stage.client.runs(sent)
    stage.check("the event made three runs, each on its own", len({run.function for run in runs}) == 3, runs)
    due = next(step.due for step in stage.client.steps(welcome.id) if step.state == "waiting")
    stage.check(
        f"the welcome series sleeps until {due:%d %B %H:%M} UTC, and no worker holds it", welcome.worker is None
    )


def warehouse_that_is_down(stage: Stage) -> None:
    stage.chapter("An order, while the warehouse's database is down")
    journal.switch("warehouse down", 1)
    sent = stage.client.send(OrderPlaced(order_id="1001", email="bob@example.org", cents=4200, items=["tent", "lamp"]))
    run = sent.run_id("process-order")
    stage.tell(f"sent {sent.name} over 42.00 EUR: run {run}")
    fulfil = stage.wait("fulfilment fails twice", lambda: retried(stage, run, "fulfil", attempt=3))
    error = fulfil.error.message if fulfil.error else "?"
    stage.tell(f"step fulfil failed and is retried (attempt {fulfil.attempt} comes): {error}")
    journal.switch("warehouse down", 0)
    stage.tell("the warehouse's database is up again")
    result = stage.client.result(run, timeout=60)
    tries = [*journal.deeds("warehouse", "down"), *journal.deeds("warehouse", "packed")]
    stage.tell(f"fulfilled at attempt {len(tries)}, by pid {tries[-1].pid}; the run returned {result}")
    charges = payments.charges("bob@example.org")
    asked = journal.deeds("payments", "asked")
    stage.check(f"the card was charged once, although {len(tries)} attempts were needed", charges == [4200], charges)
    stage.check("and the payment provider was asked once, with the key of the step", len(asked) == 1, asked)
    stage.check("the customer got one confirmation", len(journal.deeds("mail", "bob@example.org")) == 1)


def pictures_in_parallel(stage: Stage) -> None:
    stage.chapter("An album: steps in parallel")
    pictures = ["beach.jpg", "boat.jpg", "gulls.jpg"]
    sent = stage.client.send(AlbumUploaded(album_id="summer", pictures=pictures))
    stage.tell(f"sent {sent.name} with {len(pictures)} pictures and a cover in two halves")
    address = stage.client.result(sent.run_id("publish-album"), timeout=60)
    opened, fitted = journal.deeds("pictures", "opened"), journal.deeds("pictures", "fitted")
    for deed in (*opened, *fitted):
        stage.tell(f"pid {deed.pid}: {deed.what} {deed.subject}")
    stage.check(
        "a barrier in two parallel steps was passed: each waited until the other was there",
        len(opened) == len(fitted) == 2 and max(deed.at for deed in opened) < min(deed.at for deed in fitted),
        (opened, fitted),
    )
    shrunk = sorted(deed.subject for deed in journal.deeds("pictures", "shrunk"))
    stage.check(f"every picture was shrunk once; the album is at {address}", shrunk == sorted(pictures), shrunk)


def worker_that_is_killed(stage: Stage) -> None:
    stage.chapter("A long document, and a worker that is killed with -9")
    journal.switch("llm seconds", 0.7)
    journal.switch("llm overloads", 1)
    sent = stage.client.send(DocumentAdded(document_id="moby-dick", chapters=CHAPTERS))
    run = sent.run_id("summarise")
    stage.tell(f"sent {sent.name} with {len(CHAPTERS)} chapters: run {run}")
    processes = stage.processes()
    stage.wait("two chapters are read", lambda: len(recorded(stage, run)) >= 2)
    stage.wait("the third is being read", lambda: asked_for(CHAPTERS[2]))
    before, done = stage.client.run(run), recorded(stage, run)
    victim = next(pid for pid, incarnation in processes.items() if incarnation == before.worker)
    os.kill(victim, signal.SIGKILL)
    killed_at = time.monotonic()
    stage.tell(f"{len(done)} chapters are recorded; kill -9 {victim}, the process that holds the run")
    stage.wait("the run goes on elsewhere", lambda: elsewhere(stage, run, before.worker))
    stage.tell(
        f"another process has the run, {time.monotonic() - killed_at:.1f} s later (a lease lasts {LEASE_SECONDS} s)"
    )
    result = stage.client.result(run, timeout=60)
    answered = journal.deeds("llm", "answered")
    for deed in answered:
        stage.tell(f"pid {deed.pid}{' (killed)' if deed.pid == victim else ''}: read {deed.subject!r}")
    pids = {deed.pid for deed in answered}
    stage.check(f"the run went on in another process and returned {result!r}", victim in pids and len(pids) > 1, pids)
    counts = [sum(deed.subject == chapter for deed in answered) for chapter in CHAPTERS[: len(done)]]
    stage.check(f"none of the {len(done)} recorded chapters was read again", counts == [1] * len(done), counts)
    calls = journal.deeds("llm", "asked")
    stage.check(
        "the model was overloaded once, and that step was retried",
        [deed.subject for deed in calls[:2]] == CHAPTERS[:1] * 2,
    )
    alive = stage.wait("the killed process is replaced", lambda: replaced(stage, victim))
    stage.tell(f"`bgjobs worker` started another process in its place: {', '.join(map(str, alive))}")


def dead_letter_that_comes_back(stage: Stage) -> None:
    stage.chapter("A dead letter, and its return")
    journal.switch("llm seconds", 0.1)
    texts = ["How to fold a tent", "How to clean a lamp"]
    before = len(journal.deeds("llm", "answered"))
    journal.switch("llm credit", 1)
    sent = stage.client.send(DocumentAdded(document_id="manual", chapters=texts))
    run = sent.run_id("summarise")
    stage.wait("the run fails", lambda: stage.client.run(run).state == bgjobs.RunState.FAILED)
    (letter,) = stage.bgjobs("dlq", "list")["dead_letters"]
    stage.tell(f"in the dead letters: {letter['id']}, {letter['function']}: {letter['error']['message']}")
    stage.check("it is the run, with the step that failed", letter["run_id"] == run, letter)
    journal.switch("llm credit", llm.UNLIMITED)
    stage.tell(f"paid the model's bill; bgjobs dlq retry {letter['id']}")
    stage.bgjobs("dlq", "retry", letter["id"])
    result = stage.client.result(run, timeout=60)
    stage.check(
        f"the same run went on from its failed step and returned {result!r}", stage.client.run(run).replays == 1
    )
    asked = [deed.subject for deed in journal.deeds("llm", "answered")][before:]
    stage.check("the chapter read before was not read again", asked.count(texts[0]) == 1, asked)
    stage.check("no dead letter is left", stage.bgjobs("dlq", "list")["dead_letters"] == [])


def look_around(stage: Stage) -> None:
    stage.chapter("All runs (bgjobs runs list)")
    click.echo("  " + stage.shown("runs", "list").rstrip().replace("\n", "\n  "))
    runs = stage.client.list_runs()
    states = sorted(str(run.state) for run in runs if run.function != "shop/welcome-series")
    stage.check(
        "every run has completed, but for the welcome series, which sleeps", set(states) == {"completed"}, states
    )
    stage.chapter("To look further")
    if os.environ.get("DEMO_KEEP", "") in ("", "0"):
        click.echo("  DEMO_KEEP=1 make demo    keeps it all up; then, in another terminal:\n")
    else:
        click.echo(f"  export BGJOBS_REDIS_URL={stage.redis} BGJOBS_NAMESPACE={os.environ['BGJOBS_NAMESPACE']}")
    run = next(run.id for run in runs if run.function == "shop/process-order")
    for command, what in (
        (f"runs show {run}", "the order: every step, its attempts and what it returned"),
        ("runs list --state waiting", "what sleeps"),
        ("events list", "what was sent"),
        ("workers", "who works"),
        ("cron list", "when the daily report comes next"),
        ("doctor", "whether all is well"),
    ):
        click.echo(f"  .venv/bin/bgjobs {command:<44}  {what}")


def keep_up(stage: Stage) -> None:
    """Until Ctrl-C."""
    click.echo("\nEverything stays up until Ctrl-C.")
    with contextlib.suppress(KeyboardInterrupt):
        for command in stage.commands:
            command.wait()


# -- what is seen --------------------------------------------------------------------------------------------------


def waiting(stage: Stage, run: str) -> bgjobs.RunInfo | None:
    found = stage.client.run(run)
    return found if found.state == bgjobs.RunState.WAITING else None


def elsewhere(stage: Stage, run: str, worker: str | None) -> bgjobs.RunInfo | None:
    found = stage.client.run(run)
    return found if found.worker not in (None, worker) else None


def retried(stage: Stage, run: str, key: str, attempt: int) -> bgjobs.StepInfo | None:
    step = next((step for step in stage.client.steps(run) if step.key == key and step.state == "retrying"), None)
    return step if step is not None and step.attempt >= attempt else None


def recorded(stage: Stage, run: str) -> list[bgjobs.StepInfo]:
    return [step for step in stage.client.steps(run) if step.state == "completed"]


def asked_for(chapter: str) -> bool:
    return any(deed.subject == chapter for deed in journal.deeds("llm", "asked"))


def replaced(stage: Stage, victim: int) -> list[int] | None:
    alive = sorted(set(stage.processes()) - {victim})
    return alive if len(alive) == 3 else None


if __name__ == "__main__":
    sys.exit(main())
