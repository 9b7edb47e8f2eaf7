"""The scenarios, in the order of the report."""

from bench.scenarios import commands, drain, enqueue, fan_out, idle, latency, memory, recovery, start, workflow

SCENARIOS = (
    *enqueue.SCENARIOS,
    *drain.SCENARIOS,
    *latency.SCENARIOS,
    *workflow.SCENARIOS,
    *fan_out.SCENARIOS,
    *memory.SCENARIOS,
    *commands.SCENARIOS,
    *recovery.SCENARIOS,
    *start.SCENARIOS,
    *idle.SCENARIOS,
)
