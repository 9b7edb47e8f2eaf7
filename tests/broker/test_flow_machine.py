"""A machine drives the scripts on the real server against a model in plain Python; it finds faults that are seeded."""

import os

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.broker.machine.faults import FAULTS, Fault, planted
from tests.broker.machine.machine import Broken, Flow

#: Steps per seed: many where nothing may be left out, few on a machine where somebody waits.
STEPS = 2_000 if os.environ.get("BGJOBS_TEST_ALL") else 250
PER_EXAMPLE = 50


def walk(machine: type[Flow], *, examples: int, shrink: bool, number: int = 0) -> None:
    """Let the machine walk at random."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=PER_EXAMPLE,
        deadline=None,
        database=None,
        derandomize=not number,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
    )
    if number:
        seed(number)(machine)
    run_state_machine_as_test(machine, settings=chosen)  # type: ignore[no-untyped-call]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [1, 2])
def test_runs_keep_every_rule_whatever_happens(redis_url: str, number: int) -> None:
    """R15, R17, R21, R34, R35, R36, R40, R43, R44: places, slots, order, throttles, pauses, limits, fences, deaths."""

    class Walking(Flow):
        url = redis_url

    walk(Walking, examples=STEPS // PER_EXAMPLE, shrink=True, number=number)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_seeded_fault_is_found(redis_url: str, fault: Fault) -> None:
    """What nobody would notice at once breaks a rule within few steps."""

    class Looking(Flow):
        url = redis_url

    with planted(fault), pytest.raises(Broken):
        look(Looking, fault)


def look(machine: type[Flow], fault: Fault) -> None:
    """Go where the fault shows: on its own walk, or at random."""
    if fault.walk is None:
        walk(machine, examples=200, shrink=False)
        return
    flow = machine()
    try:
        flow.begin()
        fault.walk(flow)
    finally:
        flow.teardown()


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.walk], ids=lambda fault: fault.name)
def test_the_walks_to_faults_break_no_rule_by_themselves(redis_url: str, fault: Fault) -> None:
    class Walking(Flow):
        url = redis_url

    look(Walking, fault)
