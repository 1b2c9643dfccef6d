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

from scenarios.ground import KINDS, PASSING_ON, Ground, ground


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


IN_TURN = ("invokeai", "directory")
"""Kinds of which `make test` takes one for each test, in turn; `make test-real` takes all others.

The other two have nothing that these have not.
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave each test on all kinds but one to `make test-real`."""
    cases: dict[str, dict[str, pytest.Item]] = {}
    for item in items:
        params = dict(item.callspec.params) if hasattr(item, "callspec") else {}
        kind = params.pop("kind", None)
        if kind is not None and Path(__file__).parent in item.path.parents:
            case = f"{item.path} {getattr(item, 'originalname', '')} {params}"
            cases.setdefault(case, {})[kind] = item
    for number, kinds in enumerate(cases.values()):
        turn = IN_TURN[number % len(IN_TURN)]
        kept = turn if turn in kinds else next(iter(kinds))
        for kind, item in kinds.items():
            if kind != kept:
                item.add_marker(pytest.mark.real)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def here(tmp_path: Path, kind: str) -> AsyncIterator[Ground]:
    """A mirror that passes deletions on, in both directions."""
    async with ground(tmp_path, kind, policies=PASSING_ON) as made:
        yield made
