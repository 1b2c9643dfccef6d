"""What the scenarios share: a mirror on each kind of server, and chance with a seed to replay.

Each module is one of the ways in which daemons like this one lose data or annoy people. Its fast
tests run the real engine on a virtual clock; those marked `real` use processes, the kernel and
real servers, in numbers that $SCENARIO_SCALE multiplies (1: in full).
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("scenarios.ground", "scenarios.reality")

from scenarios.ground import KINDS, PASSING_ON, Ground, ground  # noqa: E402


@pytest.fixture
def seed() -> int:
    """Of all that is left to chance: another one each time, printed when something fails."""
    given = os.environ.get("SCENARIO_SEED")
    drawn = random.SystemRandom().randrange(1 << 32) if given is None else int(given)
    print(f"seed {drawn}: SCENARIO_SEED={drawn} does the same again")
    return drawn


@pytest.fixture
def chance(seed: int) -> random.Random:
    return random.Random(seed)


IN_FULL = ("memory", "named")
"""Kinds that only `make test-real` goes through: the other two have all that these have."""


@pytest.fixture(
    params=[pytest.param(one, marks=[pytest.mark.real] if one in IN_FULL else []) for one in KINDS]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def here(tmp_path: Path, kind: str) -> AsyncIterator[Ground]:
    """A mirror that passes deletions on, in both directions."""
    async with ground(tmp_path, kind, policies=PASSING_ON) as made:
        yield made
