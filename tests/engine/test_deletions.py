"""Deletions, renames and moves: what is passed on, what waits, and what never happens."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from boardsync.engine.consent import answer, list_holds
from boardsync.engine.passes import Look
from boardsync.engine.report import status
from boardsync.plan.links import Consent
from boardsync.servers.memory import CAPABILITIES, MemoryServer
from engine.world import World, picture, world

TRASH = {"file_deleted": "trash", "item_deleted": "trash"}


@pytest.fixture
async def passing(tmp_path: Path) -> AsyncIterator[World]:
    """A mirror that passes deletions on, with twenty pictures in step."""
    async with world(tmp_path, policies=TRASH) as made:
        for seed in range(20):
            made.write(f"{seed:02}.png", seed=seed)
        await made.look()
        yield made


def held(here: World) -> int:
    return int(status(here.assembly.settings, here.state)["mirrors"][0]["held"])


def trash_of(here: World) -> list[bytes]:
    """Return what lies in the local trash."""
    root = here.base / ".boardsync-trash"
    return sorted(path.read_bytes() for path in root.rglob("*") if path.is_file())


async def test_by_default_a_deleted_file_leaves_its_item_and_is_not_pulled_back(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png")
        here.write("b.png", seed=2)
        await here.look()
        (here.folder / "a.png").unlink()

        result = await here.look()

        assert (result.trashed, result.downloaded, len(here.items())) == (0, 0, 2)
        assert await here.quiet()
        assert set(here.local()) == {"b.png"}


async def test_by_default_a_file_stays_when_its_item_is_deleted_and_is_not_sent_again(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png")
        await here.look()
        here.server.remove(here.items()[0].item_id)

        result = await here.look()

        assert (result.uploaded, set(here.local())) == (0, {"a.png"})
        assert (await here.look()).uploaded == 0
        assert here.items() == []


async def test_a_file_that_comes_back_is_linked_again_without_sending_it(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        path = here.write("a.png")
        await here.look()
        path.unlink()
        await here.look()
        here.write("a.png")

        result = await here.look()

        assert (result.uploaded, result.synced, len(here.items())) == (0, 1, 1)


async def test_a_deleted_file_takes_its_item_to_the_trash_when_the_settings_say_so(
    passing: World,
) -> None:
    (passing.folder / "03.png").unlink()

    result = await passing.look()

    assert (result.trashed, result.held, len(passing.items())) == (1, 0, 19)
    assert await passing.quiet()


async def test_a_deleted_item_takes_its_file_to_the_trash_when_the_settings_say_so(
    passing: World,
) -> None:
    gone = passing.items()[0]
    content = passing.server._stored[gone.item_id].content
    passing.server.remove(gone.item_id)

    result = await passing.look()

    assert (result.trashed, result.held, len(passing.local())) == (1, 0, 19)
    assert trash_of(passing) == [content]
    assert await passing.quiet()


async def test_a_deleted_file_that_is_back_before_it_is_acted_on_loses_nothing(
    passing: World,
) -> None:
    content = (passing.folder / "03.png").read_bytes()
    (passing.folder / "03.png").unlink()
    await passing.look(patience=0.0)
    (passing.folder / "03.png").write_bytes(content)

    result = await passing.look()

    assert (result.trashed, len(passing.items()), result.synced) == (0, 20, 20)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
async def test_files_that_vanish_in_masses_are_held_and_resume_by_themselves(
    passing: World, share: float
) -> None:
    gone = sorted(passing.local())[: max(10, int(20 * share))]
    kept = {name: (passing.folder / name).read_bytes() for name in gone}
    for name in gone:
        (passing.folder / name).unlink()

    result = await passing.look()
    assert (result.trashed, result.held, len(passing.items())) == (0, len(gone), 20)
    await passing.restart()
    assert (await passing.look()).held == len(gone)
    assert status(passing.assembly.settings, passing.state)["mirrors"][0]["condition"] == "held"

    for name, content in kept.items():
        passing.write(name, content)
    result = await passing.look()
    assert (result.held, result.uploaded, result.synced, len(passing.items())) == (0, 0, 20, 20)


async def test_items_that_vanish_in_masses_are_held(passing: World) -> None:
    for item in passing.items()[:15]:
        passing.server.remove(item.item_id)

    result = await passing.look()

    assert (result.trashed, result.held, len(passing.local())) == (0, 15, 20)


async def hold_of(here: World) -> int:
    (hold,) = list_holds(here.assembly.settings, here.state)
    return int(hold["hold"])


async def test_what_is_approved_is_removed_and_nothing_else(passing: World) -> None:
    for number in range(12):
        (passing.folder / f"{number:02}.png").unlink()
    await passing.look()
    shown = await hold_of(passing)
    (passing.folder / "12.png").unlink()
    await passing.look()
    with pytest.raises(Exception, match="another number"):
        await answer(passing.assembly.mirrors, shown, Consent.APPROVED)

    await answer(passing.assembly.mirrors, await hold_of(passing), Consent.APPROVED)
    result = await passing.look()

    assert (result.trashed, result.held, len(passing.items())) == (13, 0, 7)
    assert await passing.quiet()


async def test_what_is_restored_comes_back_from_the_board(passing: World) -> None:
    before = passing.local()
    for number in range(12):
        (passing.folder / f"{number:02}.png").unlink()
    await passing.look()

    await answer(passing.assembly.mirrors, await hold_of(passing), Consent.RESTORE)
    result = await passing.look()

    assert (result.downloaded, result.held, len(passing.items())) == (12, 0, 20)
    assert passing.local() == before
    assert await passing.quiet()


async def test_what_is_restored_goes_up_again_when_the_items_were_deleted(passing: World) -> None:
    for item in passing.items()[:12]:
        passing.server.remove(item.item_id)
    await passing.look()

    await answer(passing.assembly.mirrors, await hold_of(passing), Consent.RESTORE)
    result = await passing.look()

    assert (result.uploaded, result.held, len(passing.items())) == (12, 0, 20)
    assert await passing.quiet()


async def test_what_is_dismissed_is_left_as_it_is(passing: World) -> None:
    for number in range(12):
        (passing.folder / f"{number:02}.png").unlink()
    await passing.look()

    await answer(passing.assembly.mirrors, await hold_of(passing), Consent.DISMISSED)
    result = await passing.look()

    assert (result.trashed, result.downloaded, result.held) == (0, 0, 0)
    assert (len(passing.items()), len(passing.local())) == (20, 8)
    assert await passing.quiet()


async def test_deletions_one_by_one_are_a_mass_in_the_end(passing: World) -> None:
    for number in range(12):
        (passing.folder / f"{number:02}.png").unlink()
        result = await passing.look()

    assert len(passing.items()) == 11
    assert result.held == 3


async def test_a_rename_sends_nothing_and_keeps_the_item(passing: World) -> None:
    before = {item.item_id for item in passing.items()}
    (passing.folder / "sub").mkdir()
    for number in range(20):
        (passing.folder / f"{number:02}.png").rename(passing.folder / "sub" / f"{number:02}.png")

    result = await passing.look()

    assert (result.uploaded, result.trashed, result.held, result.moved) == (0, 0, 0, 20)
    assert {item.item_id for item in passing.items()} == before
    assert await passing.quiet()


async def test_what_a_rule_no_longer_covers_is_left_alone(passing: World) -> None:
    (passing.folder / ".boardsyncignore").write_text("0*.png\n")

    result = await passing.look()

    assert (result.trashed, result.held, len(passing.items()), len(passing.local())) == (
        0, 0, 20, 21,
    )  # fmt: skip
    (passing.folder / ".boardsyncignore").unlink()
    assert (await passing.look()).synced == 20


async def test_a_replaced_folder_is_no_deletion(passing: World) -> None:
    shutil.move(passing.folder, passing.base / "elsewhere")
    passing.folder.mkdir()
    shutil.copy2(passing.base / "elsewhere" / "00.png", passing.folder)

    result = await passing.look()

    assert (result.trashed, result.held, len(passing.items())) == (0, 0, 20)


async def test_an_unreadable_subfolder_is_no_deletion(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    async with world(tmp_path, policies=TRASH) as here:
        here.write("s/a.png")
        await here.look()
        (here.folder / "s").chmod(0)
        result = await here.look()
        (here.folder / "s").chmod(0o700)
        assert (result.trashed, len(here.items())) == (0, 1)


async def test_new_content_replaces_the_old_item_which_goes_to_the_trash(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        here.write("a.png", seed=2)

        result = await here.look()
        result = await here.look()

        assert here.contents() == [picture(2)]
        assert result.synced == 1
        assert await here.quiet()


async def bring_back_picture_1(here: World) -> None:
    """Let b.png hold what a.png holds: one pass links it, and the next removes its old item."""
    here.write("b.png", seed=1)
    here.clock.skip(120.0)
    await here.assembly.workers["m"].pass_now(Look.everywhere("test"))


async def test_a_replaced_item_goes_although_its_successor_was_edited(tmp_path: Path) -> None:
    server = MemoryServer("server", replace(CAPABILITIES, mutable=True))
    async with world(tmp_path, server=server, direction="push") as here:
        here.write("a.png", seed=1)
        here.write("b.png", seed=2)
        await here.look()
        stored = here.server.on_board(here.board().board_id)
        item = next(one.item for one in stored if one.content == picture(1))
        await bring_back_picture_1(here)
        here.server.replace(item.item_id, picture(3))

        await here.look()

        assert picture(2) not in here.contents()


async def test_a_starred_old_item_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        here.server.star(here.items()[0].item_id)
        here.write("a.png", seed=2)

        await here.look()
        await here.look()

        assert here.contents() == sorted([picture(1), picture(2)])


async def test_an_old_item_whose_star_is_taken_goes_although_its_file_was_renamed(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, pull={"starred_only": True}) as here:
        here.write("a.png", seed=1)
        await here.look()
        old = here.items()[0].item_id
        here.server.star(old)
        here.write("a.png", seed=2)
        await here.look()
        (here.folder / "a.png").rename(here.folder / "b.png")
        await here.look()

        here.server.star(old, starred=False)
        await here.look()

        assert here.contents() == [picture(2)]


async def test_a_picture_at_two_paths_is_removed_with_the_last(tmp_path: Path) -> None:
    async with world(tmp_path, policies=TRASH, guard={"whole": False}) as here:
        here.write("a.png", seed=1)
        here.write("b.png", seed=1)
        here.write("c.png", seed=3)
        await here.look()
        assert len(here.items()) == 2

        (here.folder / "a.png").unlink()
        assert (await here.look()).trashed == 0
        (here.folder / "b.png").unlink()
        assert (await here.look()).trashed == 1
        assert here.contents() == [picture(3)]


async def test_a_move_between_subfolders_moves_the_item_between_boards(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=TRASH) as here:
        here.write("hands/a.png", seed=1)
        here.write("faces/b.png", seed=2)
        await here.look()
        item = here.items("hands")[0].item_id
        (here.folder / "hands" / "a.png").rename(here.folder / "faces" / "a.png")

        result = await here.look()

        assert (result.uploaded, result.moved, result.trashed) == (0, 1, 0)
        assert item in {one.item_id for one in here.items("faces")}
        assert here.items("hands") == []
        assert await here.quiet()


async def test_an_item_that_is_moved_between_boards_moves_its_file(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=TRASH) as here:
        here.write("hands/a.png", seed=1)
        here.write("faces/b.png", seed=2)
        await here.look()
        here.server.relocate(here.items("hands")[0].item_id, here.board("faces").board_id)

        result = await here.look()

        assert (result.uploaded, result.downloaded, result.moved) == (0, 0, 1)
        assert set(here.local()) == {"faces/a.png", "faces/b.png"}
        assert await here.quiet()


async def test_a_renamed_folder_renames_the_board_that_we_made(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=TRASH) as here:
        for seed in range(5):
            here.write(f"hands/{seed}.png", seed=seed)
        await here.look()
        await here.look()
        board, before = here.board("hands"), {item.item_id for item in here.items("hands")}
        (here.folder / "hands").rename(here.folder / "feet")

        result = await here.look()

        assert (result.uploaded, result.trashed, result.held, result.synced) == (0, 0, 0, 5)
        assert here.board("feet").board_id == board.board_id
        assert {item.item_id for item in here.items("feet")} == before
        assert await here.quiet()


async def test_a_renamed_folder_of_somebody_elses_board_moves_its_items(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", policies=TRASH) as here:
        here.server.add_board("hands")
        for seed in range(5):
            here.write(f"hands/{seed}.png", seed=seed)
        await here.look()
        await here.look()
        before = {item.item_id for item in here.items("hands")}
        (here.folder / "hands").rename(here.folder / "feet")

        result = await here.look()

        assert (result.uploaded, result.trashed, result.held, result.synced) == (0, 0, 0, 5)
        assert {item.item_id for item in here.items("feet")} == before
        assert here.items("hands") == []


async def test_a_pulled_file_that_was_moved_is_known_again_without_the_state(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        board = here.server.add_board("board")
        for seed in (1, 2):
            here.server.put(board.board_id, f"{seed}.png", picture(seed), size=(24, 16))
        await here.look()
        pulled = sorted((here.folder / "outputs").iterdir())
        pulled[0].rename(here.folder / "chosen.png")
        await here.restart(lose_state=True)

        result = await here.look()

        assert (result.uploaded, result.downloaded, result.linked) == (0, 0, 2)
        assert len(here.items()) == 2
        assert await here.quiet()


def forget_origin(path: Path) -> None:
    """Make of a pulled file what it is on a filesystem without attributes."""
    for name in os.listxattr(path):
        os.removexattr(path, name)


async def test_a_pulled_file_that_was_moved_is_known_again_without_state_and_attributes(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        board = here.server.add_board("board")
        for seed in range(12):
            here.server.put(board.board_id, f"{seed}.png", picture(seed), size=(24, 16))
            here.clock.skip(10.0)
        await here.look()
        pulled = sorted((here.folder / "outputs").iterdir())
        for number, path in enumerate(pulled):
            forget_origin(path)
            path.rename(here.folder / f"chosen-{number}.png")
        here.write("mine.png", seed=99)
        await here.restart(lose_state=True)
        here.server.calls.clear()

        result = await here.look()

        assert (result.uploaded, result.downloaded, result.linked) == (1, 0, 12)
        assert here.server.calls["download"] == 12
        assert len(here.items()) == 13
        assert await here.quiet()


async def test_a_file_with_an_items_time_that_is_another_picture_is_sent_and_the_item_pulled(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        board = here.server.add_board("board")
        item = here.server.put(board.board_id, "1.png", picture(1), size=(24, 16))
        mine = here.write("mine.png", seed=2)
        moment = (item.created_ms or 0) * 1_000_000
        os.utime(mine, ns=(moment, moment))

        result = await here.look()

        assert (result.uploaded, result.downloaded, result.linked) == (1, 1, 0)
        assert await here.quiet()


async def test_a_pulled_file_that_was_edited_and_moved_is_a_new_picture(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        board = here.server.add_board("board")
        here.server.put(board.board_id, "1.png", picture(1), size=(24, 16))
        await here.look()
        (pulled,) = (here.folder / "outputs").iterdir()
        pulled.rename(here.folder / "chosen.png")
        (here.folder / "chosen.png").write_bytes(picture(5))
        await here.restart(lose_state=True)

        result = await here.look()

        assert (result.uploaded, result.downloaded) == (1, 1)
        assert here.contents() == sorted([picture(1), picture(5)])


async def test_one_pass_is_enough_for_a_deletion_whatever_the_waits(tmp_path: Path) -> None:
    waits = {"removal": "1 s", "confirm": "1 s"}
    async with world(tmp_path, policies=TRASH, settle=waits) as here:
        for seed in range(20):
            here.write(f"{seed:02}.png", seed=seed)
        await here.look()
        here.server.remove(here.items()[0].item_id)

        assert (await here.look()).trashed == 1
