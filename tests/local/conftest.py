"""Fixtures for tests on real folders."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users can reach: pytest's own temporary directories are private."""
    with tempfile.TemporaryDirectory(prefix="boardsync-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
