"""When a worker process should be replaced by a fresh one: it has done its share, or it has grown too large."""

from __future__ import annotations

import psutil


def resident_bytes(pid: int | None = None) -> int:
    """Resident memory of a process (this one if omitted), in bytes; 0 if it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def reason_to_recycle(*, runs_finished: int, resident: int, max_runs: int, max_memory: int) -> str | None:
    """Why this process should end at the next run boundary, or None.

    Args:
        runs_finished: executions that ended in this process.
        resident: its resident memory, bytes.
        max_runs: how many executions it may do; 0: any number.
        max_memory: how many bytes it may hold; 0: any number.
    """
    if max_runs and runs_finished >= max_runs:
        return f"{runs_finished:,} runs finished (--max-runs-per-process {max_runs:,})"
    if max_memory and resident > max_memory:
        return f"{resident / 2**20:,.0f} MiB resident (--max-memory {max_memory / 2**20:,.0f} MiB)"
    return None
