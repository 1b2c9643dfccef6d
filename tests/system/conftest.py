"""What tests of whole systems share: a wheel of this checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from system import rootfs


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built of this checkout."""
    return rootfs.wheel(tmp_path_factory.mktemp("wheel"))
