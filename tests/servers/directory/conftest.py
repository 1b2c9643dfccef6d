"""A root with a server on it and one board."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.model import Board
from boardsync.servers.directory import DirectoryServer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def server(root: Path) -> DirectoryServer:
    return DirectoryServer("nas", root)


@pytest.fixture
async def board(server: DirectoryServer) -> Board:
    return await server.create_board("board")
