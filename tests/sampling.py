"""Which of many alike cases `make test` goes through. `make test-real` goes through the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(share: int, cases: Iterable[Any]) -> list[Any]:
    """Leave the first of every `share` cases to `make test`, the others to `make test-real`."""
    return [
        pytest.param(case, marks=[pytest.mark.real] if number % share else [])
        for number, case in enumerate(cases)
    ]
