"""Servers that only delete for good: what goes there is saved here first, and can come back."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from boardsync.engine.trash_can import list_trash, purge, purge_expired, restore
from boardsync.files.disk import SystemDisk
from boardsync.model import Capabilities
from boardsync.servers.memory import DELETING, NAMED, MemoryServer
from boardsync.state import transfers
from engine.undo_kit import APART, Killed, idle, kill_at, newest_run, runs_after, take_back
from engine.world import World, picture, world
from sampling import one_in

POLICIES = {"file_deleted": "trash"}
KINDS = [DELETING, replace(NAMED, trash=False, deletes=True)]
DAY = 86_400.0


@pytest.fixture(params=KINDS, ids=["ids", "names"])
def capabilities(request: pytest.FixtureRequest) -> Capabilities:
    found: Capabilities = request.param
    return found


@pytest.fixture
async def here(tmp_path: Path, capabilities: Capabilities) -> AsyncIterator[World]:
    async with world(tmp_path, MemoryServer("server", capabilities), policies=POLICIES) as made:
        made.server.add_board("board")
        made.clock.skip(APART)
        for seed in range(3):
            made.write(f"{seed}.png", seed=seed)
        await made.look()
        yield made


def saved(here: World) -> list[bytes]:
    """Return the pictures that lie on this machine."""
    return sorted(path.read_bytes() for path in here.kept.rglob("picture.*"))


def entries(here: World) -> list[int]:
    return [one["id"] for one in list_trash(here.assembly.settings, here.state)["trash"]]


def pictures(*seeds: int) -> list[bytes]:
    return sorted(picture(seed) for seed in seeds)


async def delete(here: World) -> None:
    (here.folder / "1.png").unlink()
    assert (await here.look()).trashed == 1


async def test_what_is_deleted_there_was_saved_here(here: World) -> None:
    await delete(here)
    assert here.contents() == pictures(0, 2)
    assert saved(here) == pictures(1)
    assert idle(await here.look())


async def test_it_comes_back_linked_to_its_file(here: World) -> None:
    await delete(here)
    here.write("1.png", seed=1)
    (told,) = await restore(here.assembly, entries(here))
    assert told.done
    assert "linked to its file" in told.words
    assert here.contents() == pictures(0, 1, 2)
    assert saved(here) == []
    assert idle(await here.look())
    await here.restart()
    assert idle(await here.look())


async def test_an_undo_brings_it_back_and_can_be_undone(here: World) -> None:
    await delete(here)
    undone = await take_back(here)
    assert here.contents() == pictures(0, 1, 2)
    assert idle(await here.look())
    assert undone.run is not None
    await take_back(here, undone.run)
    assert (here.contents(), saved(here)) == (pictures(0, 2), pictures(1))
    assert idle(await here.look())


async def test_what_was_sent_can_be_undone(here: World) -> None:
    await take_back(here)
    assert (here.contents(), saved(here)) == ([], pictures(0, 1, 2))
    assert idle(await here.look())


async def test_newer_content_takes_the_place_of_the_old_which_is_saved(here: World) -> None:
    here.write("1.png", seed=7)
    while not idle(await here.look()):
        pass
    assert (here.contents(), saved(here)) == (pictures(0, 2, 7), pictures(1))
    here.write("1.png", seed=1)
    while not idle(await here.look()):
        pass
    assert here.contents() == pictures(0, 1, 2)
    assert picture(7) in saved(here)


async def test_it_is_purged_on_demand_and_after_its_time(here: World) -> None:
    await delete(here)
    (told,) = await purge(here.assembly, entries(here))
    assert (told.done, saved(here), entries(here)) == (True, [], [])
    (here.folder / "2.png").unlink()
    await here.look()
    here.clock.skip(29 * DAY)
    await purge_expired(here.assembly)
    assert saved(here) == pictures(2)
    here.clock.skip(2 * DAY)
    await purge_expired(here.assembly)
    assert (saved(here), entries(here)) == ([], [])


async def test_a_lost_state_deletes_and_sends_nothing(here: World) -> None:
    await delete(here)
    await here.restart(lose_state=True)
    assert (await here.look()).uploaded == 0
    assert (here.contents(), saved(here)) == (pictures(0, 2), pictures(1))
    assert idle(await here.look())


async def test_while_the_disk_is_full_nothing_is_deleted(
    tmp_path: Path, capabilities: Capabilities
) -> None:
    class Full(SystemDisk):
        full = True

        def sync_stream(self, stream: object) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().sync_stream(stream)  # type: ignore[arg-type]

    disk = Full()
    server = MemoryServer("server", capabilities)
    async with world(tmp_path, server, policies=POLICIES) as here:
        here.disk = disk
        await here.restart()
        here.server.add_board("board")
        here.write("1.png", seed=1)
        here.write("2.png", seed=2)
        await here.look()
        (here.folder / "1.png").unlink()
        await here.look()
        with here.state.read() as connection:
            [waiting] = transfers.waiting(connection, [1])
        assert "the disk is full; free some space" in str(waiting.error)
        assert here.contents() == pictures(1, 2)
        disk.full = False
        await here.look()
        assert (here.contents(), saved(here)) == (pictures(2), pictures(1))


async def test_without_a_place_to_save_them_nothing_is_deleted(tmp_path: Path) -> None:
    server = MemoryServer("server", replace(DELETING, deletes=False))
    async with world(tmp_path, server, policies=POLICIES) as here:
        here.server.add_board("board")
        for seed in range(3):
            here.write(f"{seed}.png", seed=seed)
        await here.look()
        (here.folder / "1.png").unlink()
        await here.look()
        assert here.contents() == pictures(0, 1, 2)


@pytest.mark.parametrize("number", one_in(3, range(1, 14)))
async def test_killed_anywhere_it_ends_as_if_it_had_not_been(
    here: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    first = newest_run(here)
    (here.folder / "1.png").unlink()
    with monkeypatch.context() as patched:
        kill_at(here, number, ("items", "download", "delete", "upload"), patched)
        try:
            await here.look(patience=0.0)
            for run in runs_after(here, first):
                await take_back(here, run)
        except (Killed, BaseExceptionGroup):
            pass
    assert set(here.contents() + saved(here)) == set(pictures(0, 1, 2))
    await here.restart()
    while not idle(await here.look()):
        pass
    for run in runs_after(here, first):
        await take_back(here, run)
    assert len(here.contents()) == len(set(here.contents()))
    assert idle(await here.look())
