"""1. Root unmounted, emptied or mostly gone: nothing is deleted on the server before consent."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from boardsync.files.disk import SYSTEM
from places import in_namespace
from scenarios.ground import Ground

FILES = 100


class Locked:
    """The machine's disk, with one folder that may not be listed."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.fsencode(folder)

    def __getattr__(self, name: str) -> object:
        return getattr(SYSTEM, name)

    def scandir(self, path: bytes) -> object:
        if path.rstrip(b"/") == self._folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return SYSTEM.scandir(path)


async def require_as_before(here: Ground, seeds: int = FILES) -> None:
    """What came back agrees again: nothing is sent, fetched or removed."""
    sent = here.server.sent
    result = await here.look()
    assert (result.synced, result.held, result.trouble) == (seeds, 0, None)
    assert (here.server.sent, result.downloaded, result.trashed) == (sent, 0, 0)
    assert here.told()["condition"] == "synced"
    assert here.shows(range(seeds))


def require_untouched(here: Ground, seeds: int = FILES) -> None:
    assert here.hands.trash() == []
    assert here.shows(range(seeds))


async def test_a_share_of_the_files_that_is_gone_is_held_until_they_return(
    here: Ground, chance: random.Random
) -> None:
    paths = await here.fill(FILES)
    for percent in (10, 50, 90, 99, 100):
        with here.aside(chance.sample(paths, percent)):
            for _ in range(2):
                result = await here.look()
                assert (result.held, result.trashed) == (percent, 0)
                assert here.told()["condition"] == "held"
            require_untouched(here)
            await here.restart()
            assert (await here.look()).held == percent
        await require_as_before(here)


@pytest.mark.parametrize("kind", ["memory"], indirect=True)
async def test_less_than_a_tenth_goes_to_the_trash_without_asking(here: Ground) -> None:
    paths = await here.fill(FILES)
    for path in paths[:9]:
        (here.folder / path).unlink()

    result = await here.look()

    assert (result.held, result.trashed, len(here.hands.trash())) == (0, 9, 9)
    assert here.shows(range(9, FILES))


@pytest.mark.parametrize("kind", ["memory"], indirect=True)
async def test_nine_and_one_more_within_a_day_are_ten(here: Ground) -> None:
    paths = await here.fill(FILES)
    for path in paths[:9]:
        (here.folder / path).unlink()
    assert (await here.look()).trashed == 9
    (here.folder / paths[9]).unlink()

    result = await here.look()

    assert (result.held, result.trashed) == (1, 0)
    assert here.shows(range(9, FILES))


@pytest.mark.parametrize("left", ["nothing", "an empty mount point"])
async def test_a_root_that_is_away_is_waited_for(here: Ground, left: str) -> None:
    await here.fill(20)
    away = here.folder.rename(here.base / "disk")
    if left != "nothing":
        here.folder.mkdir()
    for _ in range(3):
        result = await here.look()
        assert here.told()["condition"] == "waiting"
        assert (result.trashed, result.unreachable) == (0, True)
    require_untouched(here, 20)

    if left != "nothing":
        here.folder.rmdir()
    away.rename(here.folder)
    await require_as_before(here, 20)


async def test_another_disk_in_its_place_with_other_pictures_deletes_nothing(here: Ground) -> None:
    await here.fill(20)
    away = here.folder.rename(here.base / "disk")
    here.folder.mkdir()
    here.write("other.png", seed=500)
    for _ in range(2):
        assert (await here.look()).trashed == 0
    assert here.hands.trash() == []
    assert here.shows([*range(20), 500])

    (here.folder / "other.png").unlink()
    here.folder.rmdir()
    away.rename(here.folder)
    for _ in range(2):
        assert (await here.look()).uploaded == 0
    assert here.shows([*range(20), 500])


async def test_a_subfolder_that_cannot_be_read_is_told_and_loses_nothing(here: Ground) -> None:
    await here.fill(40)
    here.disk = Locked(here.folder / "2")
    await here.restart()
    for _ in range(2):
        result = await here.look()
        assert "2: cannot be read" in (result.trouble or "")
        assert (result.trashed, here.told()["condition"]) == (0, "waiting")
    require_untouched(here, 40)

    here.disk = SYSTEM
    await here.restart()
    await require_as_before(here, 40)


UNMOUNTED = """
import subprocess, sys
from pathlib import Path
from scenarios.reality import Kept, small, wait

base = Path(sys.argv[1])
kept = Kept(base)
disk = base / "disk"
disk.mkdir()

def mount():
    subprocess.run(["mount", "--bind", disk, kept.folder], check=True)

kept.configure(mirror="policies: {file_deleted: trash, item_deleted: trash}")
mount()
for number in range(50):
    (kept.folder / f"{number}.png").write_bytes(small(number))
with kept.living():
    wait(lambda: kept.told()["synced"] == 50, 20, "in step")
    before = kept.items()
    for _ in range(2):
        subprocess.run(["umount", "-l", kept.folder], check=True)
        wait(lambda: kept.told()["condition"] == "waiting", 20, "it is seen to be away")
        assert "mount its disk" in kept.told()["trouble"], kept.told()
        assert kept.items() == before
        mount()
        wait(lambda: kept.told()["condition"] == "synced", 20, "it resumes alone")
        assert kept.items() == before
    assert not list((kept.boards / ".boardsync").glob("trash/*"))
"""


@pytest.mark.real
def test_a_disk_that_is_really_unmounted_under_a_daemon(tmp_path: Path) -> None:
    in_namespace(UNMOUNTED, str(tmp_path), mounts=True)
