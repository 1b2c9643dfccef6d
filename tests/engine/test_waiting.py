"""Folders, boards and servers that go away: the mirror says so, waits, and goes on alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from boardsync.engine import report
from boardsync.errors import NotAuthorised
from boardsync.model import Category, Listing
from boardsync.state import items_seen, links
from boardsync.state.links import NewLink
from engine.world import World, picture, world


@pytest.fixture
async def here(tmp_path: Path):
    async with world(tmp_path) as made:
        yield made


def told(here: World) -> dict:
    return report.status(here.assembly.settings, here.state)["mirrors"][0]


async def test_a_missing_folder_is_told_and_nothing_happens_until_it_is_back(here: World) -> None:
    here.write("a.png")
    await here.look()
    away = here.folder.rename(here.base / "away")

    result = await here.look()

    assert "missing" in (result.trouble or "")
    assert told(here)["condition"] == "waiting"
    assert len(here.items()) == 1
    assert not here.folder.exists()

    away.rename(here.folder)
    result = await here.look()
    assert (result.trouble, result.synced, result.uploaded) == (None, 1, 0)


async def test_an_emptied_folder_deletes_nothing(here: World) -> None:
    for seed in range(10):
        here.write(f"p{seed}.png", seed=seed)
    await here.look()
    shutil.rmtree(here.folder)
    here.folder.mkdir()

    await here.look()

    assert len(here.items()) == 10


async def test_the_empty_mount_point_of_an_unmounted_disk_is_waited_on(here: World) -> None:
    for seed in range(3):
        here.write(f"p{seed}.png", seed=seed)
    await here.look()
    away = here.folder.rename(here.base / "disk")
    here.folder.mkdir()

    result = await here.look()
    assert "mount its disk" in (result.trouble or "")
    assert told(here)["condition"] == "waiting"

    here.folder.rmdir()
    away.rename(here.folder)
    result = await here.look()
    assert (result.trouble, result.uploaded, result.synced) == (None, 0, 3)


async def test_a_deleted_board_is_not_made_again_and_its_files_wait(here: World) -> None:
    here.write("a.png")
    await here.look()
    here.server.drop_board(here.board().board_id)
    here.write("b.png", seed=2)

    result = await here.look()
    assert "was deleted" in (result.trouble or "")
    assert here.server.calls["create_board"] == 1
    assert set(here.local()) == {"a.png", "b.png"}

    here.server.add_board("board")
    result = await here.look()
    assert (result.trouble, result.uploaded, result.synced) == (None, 2, 2)


async def test_a_server_that_is_away_is_asked_seldom_and_the_mirror_goes_on_by_itself(
    here: World,
) -> None:
    here.server.faults.unreachable = True
    here.write("a.png")

    result = await here.look(patience=0.0)
    asked = sum(here.server.calls.values())
    for _ in range(50):
        await here.assembly.workers["m"].pass_now(_everywhere())

    assert result.unreachable
    assert sum(here.server.calls.values()) <= asked + 3
    here.server.faults.unreachable = False
    assert (await here.look()).uploaded == 1


async def test_a_refused_login_is_not_a_storm_of_logins(here: World) -> None:
    here.server.faults.errors = [NotAuthorised("wrong password")]
    here.write("a.png")

    result = await here.look(patience=0.0)
    asked = sum(here.server.calls.values())
    await here.assembly.workers["m"].pass_now(_everywhere())

    assert "wrong password" in (result.trouble or "")
    assert sum(here.server.calls.values()) == asked


async def test_a_board_that_may_not_be_made_is_named(tmp_path: Path) -> None:
    async with world(tmp_path, create_board=False) as here:
        here.write("a.png")
        result = await here.look()
        assert "no board 'board'" in (result.trouble or "")


async def test_no_upload_starts_before_the_marks_on_the_board_are_read(here: World) -> None:
    here.write("a.png")
    await here.look()
    await here.restart(lose_state=True)
    real = here.server.marks

    async def unreadable(*_: object) -> dict:
        return {}

    here.server.marks = unreadable  # type: ignore[method-assign]
    await here.look(patience=0.0)
    here.server.marks = real  # type: ignore[method-assign]
    result = await here.look()

    assert len(here.items()) == 1
    assert (result.uploaded, result.synced) == (0, 1)


def _everywhere():
    from boardsync.engine.passes import Look

    return Look.everywhere("test")


async def test_an_item_that_agreed_while_the_board_was_listed_is_not_forgotten(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.write("a.png", seed=1)
    await here.look()
    mirror = here.assembly.mirrors[0]
    real = here.server.listing

    async def listed_too_early(board_id: str | None, known: str | None = None) -> Listing:
        listing = await real(board_id, None)
        monkeypatch.setattr(here.server, "listing", real)
        here.write("b.png", seed=2)
        item = here.server.put(board_id, "x.png", picture(2), category=Category.USER)
        new = NewLink(mirror.number, b"b.png", "0" * 64, 1, item.item_id, "", "push")
        await here.state.write(lambda c: items_seen.describe_items(c, 1, [(item, None)]))
        await here.state.write(lambda c: links.agree(c, new, 1))
        return listing

    monkeypatch.setattr(here.server, "listing", listed_too_early)
    await here.assembly.workers["m"].pass_now(_everywhere())

    with here.state.read() as connection:
        assert len(items_seen.known_items(connection, 1)) == 2
