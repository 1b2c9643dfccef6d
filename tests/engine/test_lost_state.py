"""A state that was lost, or is older than what happened: rebuilt from the disk and the marks."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from boardsync.files.disk import SystemDisk
from engine.world import World, picture, world


def fill(here: World, count: int = 20, below: str = "") -> None:
    for seed in range(count):
        here.write(f"{below}{seed:02}.png", seed=seed + 100 * len(below))


def copy_items(here: World, name: str, count: int) -> None:
    """Put copies of our items, marks and all, on another board: as a person may."""
    other = here.server.add_board(name)
    for item in here.items()[:count]:
        stored = here.server._stored[item.item_id]
        here.server.put(other.board_id, "copy.png", stored.content, mark=stored.mark, size=(24, 16))


async def rename_board(here: World, before: str, after: str) -> None:
    await here.server.rename_board(here.board(before).board_id, after)


async def test_a_board_that_was_renamed_is_found_by_its_marks(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        fill(here)
        await here.look()
        await rename_board(here, "board", "renamed")
        await here.restart(lose_state=True)

        result = await here.look()

        assert (result.uploaded, result.linked, result.synced) == (0, 20, 20)
        assert [one.name for one in await here.server.boards()] == ["renamed"]
        assert await here.quiet()


async def test_a_listing_that_leaves_something_out_doubles_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, policies={"same_picture": "each"}) as here:
        fill(here)
        await here.look()
        here.server.faults.hidden = {one.item_id for one in here.items()[:7]}
        await here.restart(lose_state=True)
        here.write("new.png", seed=77)

        for _ in range(3):
            result = await here.look()
        assert (len(here.items()), result.left, result.failed) == (21, 0, 0)

        here.server.faults.hidden = set()
        await here.look()
        assert len(here.items()) == 21


async def test_new_files_go_to_the_renamed_board(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        fill(here)
        await here.look()
        await rename_board(here, "board", "renamed")
        await here.restart(lose_state=True)
        here.write("new.png", seed=77)

        result = await here.look()

        assert (result.uploaded, result.linked) == (1, 20)
        assert len(here.items("renamed")) == 21


async def test_copies_on_another_board_do_not_make_it_ours(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        fill(here)
        await here.look()
        copy_items(here, "favourites", 5)
        await rename_board(here, "board", "renamed")
        await here.restart(lose_state=True)

        result = await here.look()

        assert (result.uploaded, result.linked) == (0, 20)
        assert len(here.items("favourites")) == 5


async def test_of_two_boards_with_all_our_pictures_the_older_items_are_ours(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        fill(here)
        await here.look()
        here.clock.skip(3600)
        copy_items(here, "a copy", 20)
        await rename_board(here, "board", "renamed")
        await here.restart(lose_state=True)

        await here.look()
        here.write("new.png", seed=77)
        await here.look()

        assert (len(here.items("renamed")), len(here.items("a copy"))) == (21, 20)


async def test_a_board_with_a_few_copies_is_not_taken_when_ours_was_deleted(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        fill(here)
        await here.look()
        copy_items(here, "favourites", 5)
        for item in here.items():
            here.server.remove(item.item_id)
        await rename_board(here, "board", "empty")
        await here.restart(lose_state=True)

        await here.look()

        assert (len(here.items("board")), len(here.items("favourites"))) == (20, 5)


async def test_what_lies_in_the_trash_tells_of_no_board(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        fill(here)
        await here.look()
        for number, item in enumerate(here.items()):
            await here.server.trash(item, f"key-{number}")
        await rename_board(here, "board", "empty")
        await here.restart(lose_state=True)

        await here.look()

        assert (len(here.items("board")), len(here.items("empty"))) == (20, 0)


async def test_the_default_board_is_never_a_subfolders(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        fill(here)
        await here.look()
        (here.folder / "sub").mkdir()
        for path in sorted(here.folder.glob("*.png")):
            path.rename(here.folder / "sub" / path.name)
        await here.restart(lose_state=True)
        await here.look()
        here.write("new.png", seed=77)

        result = await here.look()

        assert (result.trouble, result.uploaded, len(here.items("sub"))) == (None, 1, 20)
        assert len(here.items("m")) == 21


async def test_each_subfolder_finds_its_renamed_board(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        for below in ("a/", "bb/", "ccc/"):
            fill(here, 9, below)
        await here.look()
        await rename_board(here, "a", "one")
        await rename_board(here, "bb", "two")
        await here.restart(lose_state=True)

        result = await here.look()

        assert (result.uploaded, result.linked, result.synced) == (0, 27, 27)
        assert sorted(one.name for one in await here.server.boards()) == ["ccc", "one", "two"]


async def test_a_copied_subfolder_gets_a_board_of_its_own(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        fill(here, 9, "hands/")
        await here.look()
        for path in list((here.folder / "hands").iterdir()):
            here.write(f"again/{path.name}", path.read_bytes())
        await here.restart(lose_state=True)

        await here.look()

        assert (len(here.items("hands")), len(here.items("again"))) == (9, 9)


async def test_another_board_in_the_settings_is_made_though_the_former_one_is_there(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        fill(here)
        await here.look()
        await here.close()
        here.settings["mirrors"][0]["board"] = "another"
        await here.open()

        await here.look()

        assert (len(here.items("another")), len(here.items("board"))) == (20, 20)


async def test_a_folder_that_was_never_sent_asks_for_a_few_files_only(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.server.add_board("somebody's")
        fill(here, 60)

        await here.look()

        assert here.server.calls["find"] <= 8
        assert here.contents() == sorted(picture(seed) for seed in range(60))


async def test_yesterdays_state_passes_on_no_deletion_twice(tmp_path: Path) -> None:
    """Since then one file was deleted, and one item: both went to the trash, and stay there."""
    policies = {"file_deleted": "trash", "item_deleted": "trash"}
    async with world(tmp_path, policies=policies) as here:
        fill(here)
        await here.look()
        await here.close()
        kept = (tmp_path / "state.db").read_bytes()
        await here.open()
        (here.folder / "00.png").unlink()
        await here.look()
        await here.look()
        here.server.remove(here.items()[0].item_id)
        await here.look()
        await here.look()
        files, items = here.local(), here.contents()
        assert (len(files), len(items)) == (18, 18)

        await here.close()
        for path in tmp_path.glob("state.db*"):
            path.unlink()
        (tmp_path / "state.db").write_bytes(kept)
        await here.open()
        results = [await here.look() for _ in range(3)]

        assert [one.uploaded for one in results] == [0, 0, 0]
        assert (here.local(), here.contents()) == (files, items)


async def test_an_upload_that_failed_before_goes_although_the_listing_stays_incomplete(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        fill(here, 2)
        await here.look()
        here.server.faults.hidden = {here.items()[0].item_id}
        here.write("new.png", seed=77)
        here.server.faults.lost_uploads = 2

        for _ in range(6):
            result = await here.look(patience=120.0)

        assert (result.left, len(here.items())) == (0, 3)


async def test_a_pulled_file_is_linked_again_only_when_its_name_is_durable(tmp_path: Path) -> None:
    class Failing(SystemDisk):
        failing = True

        def fsync(self, fd: int) -> None:
            if self.failing and stat.S_ISDIR(os.fstat(fd).st_mode):
                raise OSError(errno.EIO, "Input/output error")
            os.fsync(fd)

    disk = Failing()
    async with world(tmp_path) as here:
        here.server.add_board("board")
        here.server.put(here.board().board_id, "x.png", picture(1), size=(24, 16))
        await here.look()
        before, here.disk = here.local(), disk
        await here.restart(lose_state=True)

        assert (await here.look(patience=0.0)).synced == 0
        disk.failing = False
        result = await here.look()

        assert (result.synced, here.local(), len(here.items())) == (1, before, 1)


async def test_a_copy_of_a_pulled_picture_is_not_sent(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.write("z.png", seed=9)
        await here.look()
        here.server.put(here.board().board_id, "out.png", picture(1), size=(24, 16))
        await here.look()
        here.write("a.png", picture(1))  # before and after the pulled one, in order of the paths
        here.write("p.png", picture(1))
        await here.look()
        await here.restart(lose_state=True)

        await here.look()
        result = await here.look()

        assert (result.uploaded, result.downloaded, result.synced) == (0, 0, 4)
        assert here.contents() == sorted([picture(1), picture(9)])
        assert len(here.local()) == 4
