"""Runs of three steps, each with a checkpoint of its own before the next begins."""

import json
import os
import subprocess

from bench.measurement import Figures
from bench.peers import ROOT, Peer
from bench.postgres import Postgres
from bench.scenarios.drain import drain
from bench.scenarios.latency import SHOWN, percentiles, waited
from bench.scenarios.scenario import Scenario, Sizes
from bench.stage import Stage

_INTERVAL_SECONDS = 0.03
_PART = 0.25  # of a drain's jobs


def three_steps(peer: Peer, sizes: Sizes) -> Figures:
    """A full queue of them; single ones at rest, from the send to the end of the third step."""
    jobs = max(round(sizes.jobs * peer.share * _PART), 100)
    return _in_its_caller(peer, sizes, jobs) if peer.database == "postgres" else _by_workers(peer, sizes, jobs)


def _by_workers(peer: Peer, sizes: Sizes, jobs: int) -> Figures:
    with Stage(peer, jobs=jobs, size=sizes.payload) as stage:
        figures = drain(stage, 1, event="steps")
    with Stage(peer, jobs=sizes.samples, size=sizes.payload) as stage:
        stage.start()
        stage.ready()
        sent = stage.produce("paced", event="steps", interval=_INTERVAL_SECONDS)["sent_ns"]
        return figures | percentiles(waited(stage, sent))


def _in_its_caller(peer: Peer, sizes: Sizes, jobs: int) -> Figures:
    spec = {"jobs": jobs, "size": sizes.payload, "samples": sizes.samples, "at a time": peer.concurrency}
    with Postgres() as postgres:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "BENCH_POSTGRES": postgres.url}
        command = [peer.program("python"), "-m", peer.app, json.dumps(spec)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{peer.name} failed\n{done.stderr[-3000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if answer["ended"] != jobs:
        raise RuntimeError(f"{answer['ended']} of {jobs} workflows are recorded as successful")
    return {"per second": jobs / answer["seconds"]} | percentiles(answer["milliseconds"])


SCENARIOS = (
    Scenario(
        name="workflow",
        title="Three durable steps",
        part="durable",
        measure=three_steps,
        figure="per second",
        more_is_better=True,
        shown=("per second", *SHOWN),
    ),
)
