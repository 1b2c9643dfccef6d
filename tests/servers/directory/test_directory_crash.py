"""Killed at any step, an upload to a directory is whole with its mark, or is not there."""

from __future__ import annotations

import random
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from boardsync.formats.whole import check
from boardsync.model import Outcome
from boardsync.servers.directory import DirectoryServer
from servers.contract import picture, upload_of
from servers.directory.crash import BOARD, NAME

TESTS = Path(__file__).parents[2]
PICTURES = 120


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "servers.directory.crash", *arguments]
    return subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE)


async def shown(server: DirectoryServer) -> list[str]:
    listing = await server.listing(BOARD)
    assert listing.entries is not None
    return [entry.item_id for entry in listing.entries]


@pytest.mark.parametrize("way", [[], ["plain"]], ids=["renameat2", "link and unlink"])
async def test_killed_at_every_step_an_upload_is_whole_or_invisible_and_never_doubled(
    tmp_path: Path, way: list[str]
) -> None:
    process = start("steps", "upload", str(tmp_path), *way)
    process.communicate(timeout=60)
    assert process.returncode == 0
    outcomes = []
    upload = upload_of(picture(), NAME)
    for root in sorted(tmp_path.iterdir()):
        server = DirectoryServer("crash", root)
        before = await shown(server)
        assert before in ([], [NAME])
        assert [item.item_id for item in await server.find(upload.mark.token)] == before
        outcomes.append(before != [])

        [again] = await server.upload(BOARD, [upload])
        assert again.outcome is (Outcome.EXISTED if before else Outcome.STORED)
        assert await shown(server) == [NAME]
        assert (root / BOARD / NAME).read_bytes() == picture()
        assert await server.marks(BOARD, [NAME]) == {NAME: upload.mark}
    assert outcomes.count(False) >= 8
    assert outcomes.count(True) >= 2
    assert outcomes == sorted(outcomes)


@pytest.mark.real
async def test_killed_again_and_again_a_mirror_ends_with_each_picture_once(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    moments = random.Random(20)
    for _ in range(10):
        process = start("mirror", str(root), str(PICTURES))
        assert process.stdout is not None
        for _ in range(moments.randint(1, 9)):
            assert process.stdout.readline()
        process.kill()
        process.communicate()
    last = start("mirror", str(root), str(PICTURES))
    last.communicate(timeout=60)
    assert last.returncode == 0

    server = DirectoryServer("crash", root)
    ids = await shown(server)
    assert len(ids) == PICTURES
    wanted = {upload_of(picture(number)).mark for number in range(1, PICTURES + 1)}
    assert set((await server.marks(BOARD, ids)).values()) == wanted
    for item in await server.items(BOARD, ids):
        sink = BytesIO()
        await server.download(item, sink)
        assert check(sink.getvalue()).whole
