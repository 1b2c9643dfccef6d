"""The directory kind keeps the contract, alone and in its wrappers."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.servers.wrappers import Pauses, Policy, compose
from servers.contract import Kind, ServerContract
from servers.directory.kit import (
    directory_kind,
)
from servers.meters import Meters


class TestDirectory(ServerContract):
    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return directory_kind(tmp_path / "root")


class TestDirectoryComposed(ServerContract):
    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        kind = directory_kind(tmp_path / "root")
        policy = Policy(pauses=Pauses(first=0.0, jitter=0.0))
        kind.server = compose(kind.server, policy, Meters())
        return kind
