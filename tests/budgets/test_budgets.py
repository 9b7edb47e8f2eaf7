"""Runs stay within what they may cost: a regression shows here without a clock."""

from tests.budgets.costs import budget_of, costs_or_less


async def test_a_noop_run_stays_within_its_budget() -> None:
    """Commands, script calls, bytes written and function calls per run."""
    assert not (await costs_or_less("noop")).over(budget_of("noop"))


async def test_a_run_of_three_steps_stays_within_its_budget() -> None:
    """The same for a run that makes three checkpoints."""
    assert not (await costs_or_less("three_steps")).over(budget_of("three_steps"))
