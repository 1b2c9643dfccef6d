"""The whole engine lives through random histories, and its invariants hold after each."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sampling import one_in
from sim.history import run
from sim.many import fresh_seeds, killed_at, known_seeds, lived_through

# A process that dies between making a piece of work and beginning it leaves it unbegun.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")

FAST = 8
SHARE = 8
"""`make test` lives through one seed in so many of those that failed, `make test-real` all."""
SHORT = (5011, 5019, 5028)
"""Seeds whose first process takes a hundred steps or so."""
NEVER = 1_000_000
FRESH_MINUTES = float(os.environ.get("SIM_MINUTES", "0"))
"""How long to live through seeds that nobody chose."""
DRAWN_BY = os.environ.get("SIM_DRAWN_BY", "")
"""What draws them. CI takes the tree: each has its own seeds, and the same ones again."""


@pytest.mark.parametrize("seed", one_in(SHARE, reversed(known_seeds())))
def test_a_seed_that_once_failed_does_not_fail_again(seed: int) -> None:
    assert run(seed).findings == []


@pytest.mark.parametrize("seed", range(1000, 1000 + FAST))
def test_after_a_random_history_both_sides_are_in_step(seed: int) -> None:
    assert run(seed).findings == []


def test_the_same_seed_lives_the_same_history_again() -> None:
    once, again = run(7), run(7)

    assert once.journal == again.journal
    assert once.digest == again.digest


def test_another_process_lives_the_same_history_too() -> None:
    script = "from sim.history import run; print(run(7).digest)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    digests = {
        subprocess.run(
            [sys.executable, "-c", script], env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip

    assert digests == {f"{run(7).digest}\n"}


@pytest.mark.parametrize("seed", one_in(3, SHORT))
def test_killed_at_one_step_in_twenty_both_sides_are_in_step_again(seed: int) -> None:
    steps = run(seed, first_death=NEVER).steps
    assert steps > 10

    lived = [(at, run(seed, first_death=at)) for at in range(seed % 20, steps, 20)]

    assert [f"killed at {at}: {one.findings}" for at, one in lived if one.findings] == []


@pytest.mark.real
@pytest.mark.parametrize("seed", SHORT)
def test_killed_at_every_step_both_sides_are_in_step_again(seed: int) -> None:
    steps = range(run(seed, first_death=NEVER).steps)
    assert len(steps) > 10

    lived = zip(steps, killed_at(seed, steps, os.cpu_count() or 1), strict=True)

    assert [f"killed at {at}: {one.findings}" for at, one in lived if one.findings] == []


@pytest.mark.real
@pytest.mark.skipif(not FRESH_MINUTES, reason="SIM_MINUTES says for how long")
def test_fresh_seeds_find_nothing() -> None:
    until = time.monotonic() + FRESH_MINUTES * 60
    seeds = fresh_seeds(1_000_000, drawn_by=DRAWN_BY)
    in_time = (seed for seed in seeds if time.monotonic() < until)

    found = [report for report in lived_through(in_time, os.cpu_count() or 1) if report.findings]

    assert [f"make sim SEED={one.seed}: {one.findings}" for one in found] == []
