"""The trash: what lies there comes back linked, and nothing goes for good without a look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine import trash_can
from boardsync.engine.report import history
from boardsync.engine.told import Told
from boardsync.engine.trash_can import list_trash, purge, purge_expired, restore, restore_run
from boardsync.errors import OutcomeUnknown, SettingsError
from boardsync.model import Capabilities
from boardsync.servers.memory.server import CAPABILITIES, DELETING, NAMED, MemoryServer
from boardsync.state import trash
from engine.world import World, picture, world

TRASH = {"file_deleted": "trash", "item_deleted": "trash"}
DAY = 86_400.0


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies=TRASH) as made:
        for seed in range(5):
            made.write(f"{seed}.png", seed=seed)
        await made.look()
        yield made


async def delete_file(here: World, seed: int = 3) -> int:
    """Delete a file, so that its item goes to the trash; return the entry."""
    (here.folder / f"{seed}.png").unlink()
    assert (await here.look()).trashed == 1
    return newest(here)


async def delete_item(here: World, seed: int = 3) -> int:
    """Delete an item, so that its file goes to the trash; return the entry."""
    here.server.remove(item_of(here, seed))
    assert (await here.look()).trashed == 1
    return newest(here)


def item_of(here: World, seed: int) -> str:
    there = here.server.on_board(here.board().board_id)
    return next(one.item.item_id for one in there if one.content == picture(seed))


def listed(here: World) -> list[dict[str, Any]]:
    return list(list_trash(here.assembly.settings, here.state)["trash"])


def newest(here: World) -> int:
    return int(listed(here)[0]["id"])


def in_local_trash(here: World) -> list[Path]:
    root = here.base / ".boardsync-trash"
    return [path for path in root.rglob("*") if path.is_file()]


def told_words(told: list[Told]) -> list[tuple[str, bool, str]]:
    return [(one.picture, one.done, one.words) for one in told]


class TestListing:
    async def test_it_tells_what_lies_there_since_when_and_until_when(self, here: World) -> None:
        await delete_file(here, 1)
        await delete_item(here, 2)

        told = list_trash(here.assembly.settings, here.state)

        assert told["mirrors"] == [
            {"mirror": "m", "count": 2, "bytes": len(picture(1)) + len(picture(2))}
        ]
        file, item = told["trash"]
        assert (file["side"], file["path"], file["reason"]) == (
            "file", "2.png", "its item was deleted on the board",
        )  # fmt: skip
        assert (item["side"], item["path"], item["board"]) == ("item", "1.png", "board")
        assert item["purged_from_ms"] - item["since_ms"] == 30 * DAY * 1000

    async def test_it_is_empty_before_the_first_run_and_for_a_mirror_that_removed_nothing(
        self, here: World
    ) -> None:
        assert list_trash(here.assembly.settings, None) == {"mirrors": [], "trash": []}
        told = list_trash(here.assembly.settings, here.state, "m")
        assert told == {"mirrors": [{"mirror": "m", "count": 0, "bytes": 0}], "trash": []}

    async def test_a_stranger_is_told(self, here: World) -> None:
        with pytest.raises(SettingsError, match="there are: m"):
            list_trash(here.assembly.settings, here.state, "nobody")


class TestRestoringItems:
    async def test_an_item_without_its_file_is_back_alone_and_nothing_is_fetched(
        self, here: World
    ) -> None:
        before = item_of(here, 3)
        entry = await delete_file(here)

        (told,) = await restore(here.assembly, [entry])

        assert (told.done, item_of(here, 3), listed(here)) == (True, before, [])
        result = await here.look()
        assert (result.downloaded, result.uploaded, result.trashed) == (0, 0, 0)
        assert await here.quiet()

    async def test_a_file_that_is_back_before_is_linked_at_once(self, here: World) -> None:
        entry = await delete_file(here)
        here.write("3.png", seed=3)

        (told,) = await restore(here.assembly, [entry])

        assert told.words == "on board 'board' again, and linked to its file"
        result = await here.look()
        assert (result.uploaded, result.synced, len(here.items())) == (0, 5, 5)

    async def test_the_old_version_of_a_file_stays_beside_the_new_one(self, here: World) -> None:
        here.write("3.png", seed=30)
        await here.look()
        await here.look()
        assert len(here.items()) == 5

        (told,) = await restore(here.assembly, [newest(here)])

        assert told.words == (
            "on board 'board' again; its file is gone, or holds something else by now"
        )
        result = await here.look()
        assert (result.trashed, result.uploaded, len(here.items())) == (0, 0, 6)
        assert await here.quiet()

    async def test_where_names_are_kept_a_taken_name_gets_a_number(self, tmp_path: Path) -> None:
        async with world(tmp_path, MemoryServer("server", NAMED), policies=TRASH) as here:
            for seed in range(5):
                here.write(f"{seed}.png", seed=seed)
            await here.look()
            entry = await delete_file(here)
            here.write("3.png", seed=33)
            await here.look()

            (told,) = await restore(here.assembly, [entry])

            assert told.words.startswith("on board 'board' again as '3 (2).png'")
            result = await here.look()
            assert (result.uploaded, result.downloaded, result.trashed) == (0, 0, 0)
            assert here.contents() == sorted(picture(seed) for seed in (0, 1, 2, 3, 4, 33))
            assert set(here.local()) == {f"{seed}.png" for seed in range(5)}
            assert await here.quiet()

    async def test_what_somebody_took_out_of_the_trash_is_told(self, here: World) -> None:
        entry = await delete_file(here)
        trashed = here.server.in_the_trash()[0].item.item_id
        here.server.relocate(trashed, here.server.add_board("elsewhere").board_id)

        (told,) = await restore(here.assembly, [entry])

        assert (told.done, told.later) == (False, False)
        assert "not in the trash" in told.words

    @pytest.mark.parametrize("lost", ["lost_changes", "dropped_changes"])
    async def test_after_a_lost_answer_a_repeat_ends_well(self, here: World, lost: str) -> None:
        entry = await delete_file(here)
        setattr(here.server.faults, lost, 1)

        (first,) = await restore(here.assembly, [entry])
        (second,) = await restore(here.assembly, [entry])

        assert (first.done, first.later, second.done) == (False, True, True)
        assert len(here.items()) == 5
        assert await here.quiet()

    async def test_while_the_server_is_away_nobody_knocks_for_every_picture(
        self, here: World
    ) -> None:
        for seed in (1, 2, 3):
            await delete_file(here, seed)
        here.server.faults.unreachable = True
        here.server.calls.clear()

        told = await restore(here.assembly, [one["id"] for one in listed(here)])

        assert [(one.done, one.later) for one in told] == [(False, True)] * 3
        assert here.server.calls["untrash"] <= 3
        again = await restore(here.assembly, [one["id"] for one in listed(here)])
        assert here.server.calls["untrash"] <= 3
        assert "connection refused" in again[0].words


class TestRestoringFiles:
    async def test_a_file_whose_item_is_gone_is_back_and_is_not_sent(self, here: World) -> None:
        entry = await delete_item(here)

        (told,) = await restore(here.assembly, [entry])

        assert told.words == "in the folder again; its item is gone, and it is not sent by itself"
        assert here.local()["3.png"] == picture(3)
        assert in_local_trash(here) == []
        result = await here.look()
        assert (result.uploaded, result.trashed, len(here.items())) == (0, 0, 4)
        assert await here.quiet()

    async def test_a_file_whose_item_is_there_again_is_linked_to_it(self, tmp_path: Path) -> None:
        async with world(tmp_path, policies=TRASH) as here:
            for seed in range(5):
                here.write(f"{seed}.png", seed=seed)
            await here.look()
            item, board = item_of(here, 3), here.board().board_id
            here.server.relocate(item, here.server.add_board("elsewhere").board_id)
            assert (await here.look()).trashed == 1
            here.server.relocate(item, board)
            await here.look()

            (told,) = await restore(here.assembly, [newest(here)])

            assert told.words == "in the folder again, and linked to its item"
            result = await here.look()
            assert (result.uploaded, result.downloaded, result.synced) == (0, 0, 5)

    async def test_a_file_whose_name_is_taken_gets_a_number_and_is_not_sent(
        self, here: World
    ) -> None:
        entry = await delete_item(here)
        here.write("3.png", seed=33)
        assert (await here.look()).uploaded == 1

        (told,) = await restore(here.assembly, [entry])

        assert "as '3 (2).png', since its name is taken" in told.words
        assert here.local()["3 (2).png"] == picture(3)
        assert here.local()["3.png"] == picture(33)
        result = await here.look()
        assert (result.uploaded, result.trashed, result.synced) == (0, 0, 5)
        assert await here.quiet()

    async def test_killed_before_it_was_recorded_a_repeat_finds_it_under_its_number(
        self, here: World
    ) -> None:
        entry = await delete_item(here)
        here.write("3.png", seed=33)
        (place,) = in_local_trash(here)
        place.rename(here.folder / "3 (2).png")

        (told,) = await restore(here.assembly, [entry])

        assert (told.done, listed(here)) == (True, [])
        assert (await here.look()).uploaded == 1
        assert set(here.local()) == {f"{seed}.png" for seed in range(5)} | {"3 (2).png"}

    async def test_what_is_not_the_picture_any_more_is_left_where_it_is(self, here: World) -> None:
        entry = await delete_item(here)
        (place,) = in_local_trash(here)
        place.write_bytes(b"something else")

        (told,) = await restore(here.assembly, [entry])

        assert (told.done, told.later) == (False, False)
        assert "not the picture any more" in told.words
        assert place.read_bytes() == b"something else"
        assert "3.png" not in here.local()

    async def test_nothing_is_brought_back_into_what_an_unmounted_disk_leaves(
        self, here: World
    ) -> None:
        entry = await delete_item(here)
        here.folder.rename(here.base / "unmounted")
        here.folder.mkdir()

        (told,) = await restore(here.assembly, [entry])

        assert (told.done, told.later) == (False, True)
        assert "another folder than the one that was here" in told.words
        assert (here.local(), len(in_local_trash(here))) == ({}, 1)


class TestRestoring:
    async def test_it_is_a_run_in_the_history(self, here: World) -> None:
        entry = await delete_item(here)
        await restore(here.assembly, [entry])

        newest_run = history(here.assembly.settings, here.state, limit=1)[0]

        assert (newest_run["cause"], newest_run["restored"]) == ("restored from the trash", 1)

    async def test_all_that_one_run_removed_can_be_asked_for(self, here: World) -> None:
        await delete_file(here, 1)
        run = history(here.assembly.settings, here.state, limit=1)[0]["id"]
        await delete_file(here, 2)

        told = await restore_run(here.assembly, run)

        assert [one.picture for one in told] == ["1.png"]
        assert [one["path"] for one in listed(here)] == ["2.png"]
        assert await restore_run(here.assembly, run) == []

    async def test_strangers_and_what_was_restored_before_are_told(self, here: World) -> None:
        entry = await delete_file(here)
        await restore(here.assembly, [entry])

        told = await restore(here.assembly, [entry, 99])

        assert {one.words for one in told} == {
            "not in the trash any more: it was restored",
            "there is no such entry; `boardsync trash list` tells what there is",
        }
        assert not any(one.done for one in told)


class TestPurging:
    async def test_both_sides_are_deleted_for_good_and_only_they(self, here: World) -> None:
        await delete_file(here, 1)
        await delete_item(here, 2)
        here.write("../.boardsync-trash/stranger.png", b"not ours")

        told = await purge(here.assembly, [one["id"] for one in listed(here)])

        assert sorted(told_words(told)) == [
            ("1.png", True, "deleted for good"), ("2.png", True, "deleted for good"),
        ]  # fmt: skip
        assert here.server.in_the_trash() == []
        assert [path.read_bytes() for path in in_local_trash(here)] == [b"not ours"]
        assert (len(here.items()), len(here.local()), listed(here)) == (3, 3, [])
        assert await here.quiet()

    async def test_what_somebody_took_out_by_hand_is_not_deleted(self, here: World) -> None:
        await delete_file(here, 1)
        await delete_item(here, 2)
        trashed = here.server.in_the_trash()[0].item.item_id
        here.server.relocate(trashed, here.board().board_id)
        (place,) = in_local_trash(here)
        place.rename(here.folder / "mine.png")

        told = await purge(here.assembly, [one["id"] for one in listed(here)])

        assert {one.words for one in told} == {"was not in the trash any more"}
        assert (here.local()["mine.png"], len(here.items())) == (picture(2), 4)

    async def test_what_was_changed_there_is_kept_and_says_why(self, here: World) -> None:
        entry = await delete_item(here)
        (place,) = in_local_trash(here)
        place.write_bytes(b"edited")

        (told,) = await purge(here.assembly, [entry])

        assert (told.done, place.read_bytes()) == (False, b"edited")
        assert listed(here)[0]["error"] == told.words

    async def test_what_is_starred_there_is_kept(self, here: World) -> None:
        entry = await delete_file(here)
        here.server.star(here.server.in_the_trash()[0].item.item_id)

        (told,) = await purge(here.assembly, [entry])

        assert told_words([told]) == [
            ("3.png", False, "kept: it is starred on the server; take the star away first")
        ]
        assert len(here.server.in_the_trash()) == 1

    async def test_an_unmounted_disk_does_not_count_as_emptied(self, here: World) -> None:
        entry = await delete_item(here)
        here.folder.rename(here.base / "unmounted")
        here.folder.mkdir()
        (here.base / ".boardsync-trash").rename(here.base / "unmounted-trash")

        (told,) = await purge(here.assembly, [entry])

        assert (told.done, told.later, newest(here)) == (False, True, entry)

    async def test_after_a_lost_answer_a_repeat_ends_well(self, here: World) -> None:
        entry = await delete_file(here)
        here.server.faults.lost_changes = 1

        (first,) = await purge(here.assembly, [entry])
        (second,) = await purge(here.assembly, [entry])

        assert (first.later, second.done, listed(here)) == (True, True, [])


@pytest.mark.parametrize("capabilities", [CAPABILITIES, NAMED, DELETING])
async def test_what_went_to_the_trash_with_a_lost_answer_is_recorded_and_comes_back(
    tmp_path: Path, capabilities: Capabilities
) -> None:
    async with world(tmp_path, MemoryServer("server", capabilities), policies=TRASH) as here:
        for seed in range(5):
            here.write(f"{seed}.png", seed=seed)
        await here.look()
        here.server.faults.lost_changes = 1

        entry = await delete_file(here)

        assert len(here.items()) == 4
        (told,) = await restore(here.assembly, [entry])
        assert (told.done, len(here.items())) == (True, 5)


class TestExpiry:
    async def test_after_its_time_it_is_deleted_and_not_before(self, here: World) -> None:
        await delete_file(here, 1)
        await delete_item(here, 2)
        here.clock.skip(29 * DAY)
        assert await purge_expired(here.assembly)
        assert len(listed(here)) == 2

        here.clock.skip(2 * DAY)
        assert await purge_expired(here.assembly)

        assert (listed(here), here.server.in_the_trash(), in_local_trash(here)) == ([], [], [])

    async def test_null_keeps_everything(self, tmp_path: Path) -> None:
        async with world(tmp_path, policies=TRASH, trash={"keep": None}) as here:
            for seed in range(5):
                here.write(f"{seed}.png", seed=seed)
            await here.look()
            await delete_file(here)
            here.clock.skip(10_000 * DAY)

            assert await purge_expired(here.assembly)

            assert len(listed(here)) == 1
            assert listed(here)[0]["purged_from_ms"] is None

    async def test_a_server_that_is_away_is_asked_again_another_time(self, here: World) -> None:
        await delete_file(here)
        here.clock.skip(31 * DAY)
        here.server.faults.errors.append(OutcomeUnknown("lost"))

        assert not await purge_expired(here.assembly)
        assert await purge_expired(here.assembly)
        assert listed(here) == []

    async def test_what_has_to_be_kept_does_not_keep_the_rest(
        self, here: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trash_can, "CHUNK", 1)
        await delete_file(here, 1)
        here.server.star(here.server.in_the_trash()[0].item.item_id)
        await delete_file(here, 2)
        here.clock.skip(31 * DAY)

        assert await purge_expired(here.assembly)

        assert [one["path"] for one in listed(here)] == ["1.png"]

    @pytest.mark.parametrize(("keep", "every"), [("30 d", DAY), ("2 h", 7200.0), (None, DAY)])
    async def test_it_is_looked_for_daily_or_as_often_as_it_can_come_true(
        self, tmp_path: Path, keep: str | None, every: float
    ) -> None:
        async with world(tmp_path, trash={"keep": keep}) as here:
            assert trash_can.purge_seconds(here.assembly.settings) == every


async def test_a_restored_picture_does_not_count_for_the_guard_any_more(here: World) -> None:
    def removed() -> int:
        with here.state.read() as connection:
            number = here.assembly.mirrors[0].number
            return trash.removed_since(connection, number, trash.ITEM, 0)

    entry = await delete_file(here)
    assert removed() == 1
    await restore(here.assembly, [entry])
    assert removed() == 0
