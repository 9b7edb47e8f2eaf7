"""DBOS on PostgreSQL: `python -m bench.apps.dbos_app '{"jobs": 500, "size": 200, ...}'`; answers with JSON.

Its workflows run in the process that calls them, without a queue: a queue is polled, which costs what is measured here.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dbos import DBOS

from bench.apps.producing import Data, payloads
from bench.stamps import WARM_UP

DBOS(
    config={
        "name": "bench",
        "system_database_url": os.environ["BENCH_POSTGRES"],
        "log_level": "WARNING",
        "run_admin_server": False,
    }
)


@DBOS.step()
def number(job: int) -> int:
    return job


@DBOS.workflow()
def steps(data: Data) -> int:
    job: int = data["i"]
    for _ in range(3):
        number(job)
    return job


def main() -> None:
    spec: dict[str, Any] = json.loads(sys.argv[1])
    DBOS.launch()
    for job in payloads(0, WARM_UP, spec["size"]):
        steps(job)
    took = []
    for job in payloads(0, spec["samples"], spec["size"]):
        begun = time.perf_counter()
        steps(job)
        took.append((time.perf_counter() - begun) * 1e3)
    with ThreadPoolExecutor(spec["at a time"]) as threads:
        begun = time.perf_counter()
        list(threads.map(steps, payloads(0, spec["jobs"], spec["size"])))
        seconds = time.perf_counter() - begun
    ended = DBOS.list_workflows(status="SUCCESS", load_input=False, load_output=False)
    print(json.dumps({"seconds": seconds, "milliseconds": took, "ended": len(ended) - WARM_UP - spec["samples"]}))
    DBOS.destroy()


if __name__ == "__main__":
    main()
