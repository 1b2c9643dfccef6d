"""Pulled files have the owner, group and permissions of the settings from their first moment on."""

from __future__ import annotations

import errno
import grp
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import boardsync
from boardsync.engine import report
from boardsync.engine.service import carrying
from boardsync.errors import SettingsError
from boardsync.files.disk import PathArg, SystemDisk
from engine.world import World, picture, world
from places import shared_folder, unprivileged

ROOT = os.geteuid() == 0


class Watched(SystemDisk):
    """A disk that remembers in which order files were given away, made durable and named."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.modes: set[int] = set()
        self.refuses = False

    def chmod(self, fd: int, mode: int) -> None:  # type: ignore[override]
        if self.refuses:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        self.modes.add(stat.S_IMODE(os.fstat(fd).st_mode))
        os.fchmod(fd, mode)
        self.done.append("mode of a directory" if _is_directory(fd) else "mode")

    def fsync(self, fd: int) -> None:  # type: ignore[override]
        os.fsync(fd)
        self.done.append("durable name" if _is_directory(fd) else "durable")

    def sync_stream(self, stream: Any) -> None:
        super().sync_stream(stream)
        self.done.append("durable")

    def rename_noreplace(self, source: bytes, target: bytes) -> bool:
        self.done.append("named")
        return super().rename_noreplace(source, target)


def _is_directory(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def mode(path: PathArg) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, pull={"file_mode": "0640", "directory_mode": "2750"}) as made:
        made.server.add_board("board")
        made.server.put(made.board().board_id, "a.png", picture(1), size=(24, 16))
        made.disk = Watched()
        await made.restart()
        yield made


async def test_files_and_the_folders_made_for_them_have_the_permissions_of_the_settings(
    here: World,
) -> None:
    assert (await here.look()).downloaded == 1
    [name] = here.local()
    assert mode(here.folder / name) == 0o640
    assert mode(here.folder / "outputs") == 0o2750


async def test_they_have_them_before_they_are_durable_and_have_a_name(here: World) -> None:
    disk = here.disk
    assert isinstance(disk, Watched)
    await here.look()
    order = [one for one in disk.done if one in ("mode", "durable", "named")]
    assert order == ["mode", "durable", "named"]
    first = disk.done.index("mode of a directory")
    assert disk.done[first + 1] == "durable name"
    # What is closed to others in the end was never open to them.
    assert 0o600 in disk.modes


async def test_folders_that_were_there_are_left_as_they_are(here: World) -> None:
    (here.folder / "outputs").mkdir(mode=0o711)
    assert (await here.look()).downloaded == 1
    assert mode(here.folder / "outputs") == 0o711


async def test_where_that_is_refused_it_is_told_and_tried_again(here: World) -> None:
    disk = here.disk
    assert isinstance(disk, Watched)
    disk.refuses = True
    (here.folder / "outputs").mkdir()
    assert (await here.look(patience=5.0)).downloaded == 0
    [error] = report.status(here.assembly.settings, here.state)["mirrors"][0]["errors"]
    assert "it cannot be given its owner, group or permissions: Operation not" in error["error"]
    assert here.local() == {}
    disk.refuses = False
    assert (await here.look()).downloaded == 1


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
async def test_root_gives_files_to_whom_the_settings_name(tmp_path: Path) -> None:
    async with world(tmp_path, pull={"owner": 4321, "group": 8765}) as here:
        here.server.add_board("board")
        here.server.put(here.board().board_id, "a.png", picture(1), size=(24, 16))
        assert (await here.look()).downloaded == 1
        [name] = here.local()
        for path in (here.folder / name, here.folder / "outputs"):
            told = path.stat()
            assert (told.st_uid, told.st_gid) == (4321, 8765)
        assert here.folder.stat().st_uid == 0
        assert (await here.look()).good


@pytest.mark.skipif(not ROOT, reason="the names of users and groups must differ")
@pytest.mark.parametrize("given", [{"owner": "root"}, {"group": 8765}, {"owner": 0, "group": 8765}])
async def test_who_may_not_give_files_away_is_refused_at_the_start(given: dict[str, Any]) -> None:
    with shared_folder() as folder:
        folder.chmod(0o777)
        async with world(folder, pull=given) as here:
            with unprivileged(), pytest.raises(SettingsError) as refusal:
                await carrying(here.assembly).__aenter__()
    lines = str(refusal.value).splitlines()
    assert len(lines) == len(given)
    for key, line in zip(given, lines, strict=True):
        assert line.startswith(f"mirror 'm': pull.{key} is {given[key]!r}, and ")
        assert "expected" in line


_A_GROUP_OF_ONES_OWN = """
import os, sys
sys.path.insert(0, sys.argv[1])
from boardsync.config.values import from_values
from boardsync.engine.rights import require_rights

def settings(**pull):
    return from_values({
        "servers": {"s": {"kind": "invokeai", "url": "http://127.0.0.1:9"}},
        "mirrors": [{"name": "m", "folder": "/x", "server": "s", "board": "b", "pull": pull}],
    })

os.setgroups([4242])
os.setgid(4243)
os.setuid(4244)
require_rights(settings(group=4242))
require_rights(settings(group=4243, owner=4244, file_mode="0600"))
for one in (settings(group=4245), settings(owner=4245)):
    try:
        require_rights(one)
    except Exception as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(not ROOT, reason="only root becomes somebody else")
def test_ones_own_groups_and_oneself_need_no_rights() -> None:
    source = str(Path(boardsync.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", _A_GROUP_OF_ONES_OWN, source],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["SettingsError", "SettingsError"]


async def test_a_mirror_that_only_pushes_needs_no_rights(tmp_path: Path) -> None:
    someone = {"owner": 4321, "group": max(one.gr_gid for one in grp.getgrall()) + 1}
    async with world(tmp_path, direction="push", pull=someone) as here:
        here.write("a.png")
        assert (await here.look()).uploaded == 1
