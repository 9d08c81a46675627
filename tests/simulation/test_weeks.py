"""Simulated weeks hold their invariants, and find each of five faults put in on purpose."""

from __future__ import annotations

import os

import pytest

from tests.simulation.planted import PLANTED
from tests.simulation.seeds import simulate, simulate_all

FIRST = int(os.environ.get("SIMULATION_SEED", "0"))
WITHIN = range(40)
"""Seeds in which a planted fault must show."""


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 20))
def test_a_simulated_week_holds_its_invariants(seed: int) -> None:
    tally = simulate(seed)
    print(tally)  # shown with the failure, or with -s
    assert tally.broken == []
    assert tally.executions > 0


def test_the_weeks_are_as_bad_as_they_should_be() -> None:
    """Seeds in which nothing went wrong would prove nothing."""
    tally = simulate_all(range(FIRST, FIRST + 8))
    print(tally)
    assert tally.broken == []
    assert min(tally.events[kind] for kind in ("alert", "crash", "freeze", "jump", "cancel", "lift", "rerun")) > 0
    assert min(tally.faults[kind] for kind in ("down", "lost", "unheard", "no", "slow")) > 0
    assert tally.stale > 0


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[fault](monkeypatch)
    monkeypatch.setattr("tests.simulation.seeds.PATIENCE", 15.0)
    tally = simulate_all(WITHIN, until_broken=True)
    print(tally)
    assert tally.broken, f"{fault} was not found in {len(WITHIN)} weeks"
