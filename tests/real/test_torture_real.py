"""A short torture in every run of the tests; `make torture` is the long one."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from real.invokeai_server import RealInvokeAI
from real.tcp_proxy import FaultProxy
from torture.boards import DirectoryBoard, InvokeAIBoard
from torture.rounds import Plan, Report, torture
from torture.table import findings, moments, table
from torture.world import World

pytestmark = pytest.mark.real

SHORT = Plan(kills=1000, minutes=35 / 60)


@pytest.fixture
def seed() -> int:
    """A new one each time: it is printed when something is found."""
    return random.SystemRandom().randrange(1 << 32)


def require_right(report: Report, server: str, seed: int) -> None:
    told = f"seed {seed}\n{table(server, report)}\n{moments(report)}\n{findings(report)}"
    assert not report.findings, told
    assert report.kills >= 5, told


def test_killed_at_work_again_and_again_a_directory_holds_every_picture_once(
    tmp_path: Path, seed: int
) -> None:
    world = World(tmp_path, DirectoryBoard(tmp_path / "boards"), seed)
    require_right(torture(world, SHORT, print), "directory", seed)


def test_killed_at_work_behind_a_bad_network_invokeai_holds_every_picture_once(
    tmp_path: Path, seed: int, invokeai: RealInvokeAI
) -> None:
    with FaultProxy(invokeai.port, seed=seed) as proxy:
        board = InvokeAIBoard(invokeai.url, proxy.url)
        with closing(board):
            world = World(tmp_path, board, seed, proxy)
            require_right(torture(world, SHORT, print), "invokeai", seed)
