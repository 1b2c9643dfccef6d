"""What the simulation found, each as small as it can be told."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from boardsync.engine import decide, observe_boards
from boardsync.engine.passes import Look, Pass
from boardsync.engine.planning import plan_mirrors
from boardsync.errors import SettingsError
from boardsync.files.disk import PathArg, SystemDisk
from boardsync.model import ActionKind, Item
from boardsync.servers.memory import NAMED, MemoryServer
from boardsync.state import items_seen, links, places, transfers
from engine.world import SkippingClock, World, picture, world


def named_server(clock: SkippingClock) -> MemoryServer:
    return MemoryServer("server", NAMED, clock_ms=lambda: clock.now_ns() // 1_000_000)


async def test_a_new_version_of_a_file_in_the_folder_itself_is_fetched(tmp_path: Path) -> None:
    clock = SkippingClock()
    async with world(tmp_path, named_server(clock), clock) as here:
        here.write("a.png", seed=1)
        await here.look()
        here.server.replace("a.png", picture(2))

        result = await here.look()

        assert (result.downloaded, result.trouble, result.left) == (1, None, 0)
        assert here.local()["a.png"] == picture(2)


async def test_a_star_that_was_not_told_does_not_plan_a_removal_again_and_again(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        old = here.items()[0]
        here.server.star(old)
        here.write("a.png", seed=2)
        await here.look()

        await here.look()

        assert old.item_id in {item.item_id for item in here.items()}
        assert removals(here) == []
        assert await here.quiet()


def removals(here: World) -> list[int]:
    """Return the removals that a further plan wants."""
    mirror = here.assembly.mirrors[0]
    with mirror.state.read() as connection:
        waiting = transfers.waiting(connection, [mirror.number])
    return [one.id for one in waiting if one.kind is ActionKind.TRASH_ITEM]


async def test_an_item_that_moves_between_boards_is_followed_and_not_fetched_again(
    tmp_path: Path,
) -> None:
    clock = SkippingClock()
    server = named_server(clock)
    async with world(tmp_path, server, clock, boards="by-subfolder") as here:
        for name in ("one", "two"):
            (here.folder / name).mkdir()
            server.add_board(name)
        item = server.put("one", "o.png", picture(1))
        await here.look()
        server.relocate(item, "two")

        result = await here.look(patience=90.0)

        assert (result.moved, result.downloaded) == (1, 0)
        assert [name for name, content in here.local().items() if content == picture(1)] == [
            "two/outputs/o.png"
        ]


async def test_pulled_files_wait_for_no_board_when_the_folder_itself_holds_none(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder", direction="both") as here:
        here.write("outputs/by-hand.png", seed=1)
        here.write("one/a.png", seed=2)

        await here.look()
        worker = here.assembly.workers["m"]

        assert worker.last is not None
        assert worker.last.plan.blocked == {}
        assert await here.quiet()


async def test_an_upload_whose_subfolder_went_away_still_comes_to_its_end(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        here.write("one/a.png", seed=1)
        here.server.faults.lost_uploads = 1
        await here.look(patience=0.0)
        (here.folder / "one").rename(here.folder / "two")

        await here.restart()
        await here.look()
        result = await here.look()

        assert result.left == 0
        assert here.contents("two") == [picture(1)]


async def test_a_file_that_is_renamed_while_its_item_is_edited_gets_the_new_version(
    tmp_path: Path,
) -> None:
    clock = SkippingClock()
    async with world(tmp_path, named_server(clock), clock) as here:
        here.write("a.png", seed=1)
        await here.look()
        (here.folder / "a.png").rename(here.folder / "b.png")
        here.server.replace("a.png", picture(2))

        await here.look()
        await here.look()

        assert {name: content for name, content in here.local().items() if name[0] != "."} == {
            "b.png": picture(2)
        }
        assert here.contents() == [picture(2)]
        assert await here.quiet()


async def test_a_file_that_goes_to_another_board_while_its_item_is_edited_gets_the_new_version(
    tmp_path: Path,
) -> None:
    clock = SkippingClock()
    async with world(tmp_path, named_server(clock), clock, boards="by-subfolder") as here:
        here.write("one/a.png", seed=1)
        here.write("two/b.png", seed=3)
        await here.look()
        (here.folder / "one" / "a.png").rename(here.folder / "two" / "a.png")
        here.server.replace("a.png", picture(2))

        await here.look()
        await here.look()

        assert here.local()["two/a.png"] == picture(2)
        assert here.contents("two") == sorted([picture(2), picture(3)])
        assert here.contents("one") == []
        assert await here.quiet()


@pytest.mark.parametrize("named", [True, False])
async def test_a_board_follows_its_renamed_folder_although_the_answer_is_lost(
    tmp_path: Path, named: bool
) -> None:
    clock = SkippingClock()
    server = named_server(clock) if named else None
    async with world(tmp_path, server, clock, boards="by-subfolder") as here:
        here.write("one/a.png", seed=1)
        await here.look()
        await here.look()
        (here.folder / "one").rename(here.folder / "two")
        here.server.faults.lost_changes = 1

        await here.look()
        await here.look()
        here.write("one/b.png", seed=2)
        await here.look()

        assert here.contents("two") == [picture(1)]
        assert here.contents("one") == [picture(2)]
        assert await here.quiet()


async def test_a_board_follows_its_folder_although_another_has_the_old_name_already(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        here.write("three/a.png", seed=1)
        await here.look()
        await here.look()
        (here.folder / "three").rename(here.folder / "four")
        # Killed when the board had its new name, and nobody had written it down.
        here.server.call_board(here.board("three").board_id, "four")
        here.write("three/b.png", seed=2)
        for _ in range(3):
            result = await here.look()

        assert (result.trouble, result.left) == (None, 0)
        assert here.contents("four") == [picture(1)]
        assert here.contents("three") == [picture(2)]


async def test_a_renamed_folder_whose_board_was_deleted_asks_for_no_new_name(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        here.write("one/a.png", seed=1)
        await here.look()
        await here.look()
        here.server.drop_board(here.board("one").board_id)
        (here.folder / "one" / "a.png").unlink()
        (here.folder / "one").rename(here.folder / "two")
        here.server.calls.clear()

        await here.look()

        assert "rename_board" not in here.server.calls


async def test_a_plan_that_is_only_shown_renames_no_board(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        here.write("one/a.png", seed=1)
        await here.look()
        await here.look()
        (here.folder / "one").rename(here.folder / "two")

        await plan_mirrors(here.assembly, [])

        assert [board.name for board in await here.server.boards()] == ["one"]


async def test_a_file_that_may_be_read_again_is_sent_although_it_did_not_change(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.disk = disk = Guarded()
        await here.restart()
        here.write("a.png", seed=1)
        disk.closed = True
        await here.look()
        refused = here.contents()

        disk.closed = False
        await here.look()

        assert refused == []
        assert here.contents() == [picture(1)]
        assert await here.quiet()


async def test_a_copy_is_not_called_sent_because_of_the_ghost_of_an_upload(tmp_path: Path) -> None:
    async with world(tmp_path, policies={"same_picture": "each"}) as here:
        here.write("a.png", seed=1)
        here.server.faults.ghosts = 1
        await here.look(patience=0.0)
        here.write("b.png", seed=1)
        for _ in range(2):
            here.clock.skip(20.0)
            await here.assembly.workers["m"].pass_now(Look.everywhere("start"))
        (here.folder / "a.png").rename(here.folder / "c.png")

        for _ in range(4):
            await here.look()

        assert [stored.whole for stored in here.server._stored.values()] == [True, True]
        assert here.contents() == [picture(1), picture(1)]
        assert await here.quiet()


async def test_a_renamed_file_of_which_only_the_new_name_was_told_is_not_sent_again(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, policies={"same_picture": "each"}) as here:
        here.write("a.png", seed=1)
        await here.look()
        (here.folder / "a.png").rename(here.folder / "b.png")
        here.clock.skip(120.0)

        worker = here.assembly.workers["m"]
        for look in (Look(paths={b"b.png"}), Look(cause="settled")):
            await worker.pass_now(look)
            here.clock.skip(120.0)
        await here.look()

        assert here.contents() == [picture(1)]
        assert await here.quiet()


async def test_one_of_two_copies_that_goes_to_another_board_leaves_the_item_to_the_other(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        here.write("one/a.png", seed=1)
        here.write("one/b.png", seed=1)
        here.write("two/c.png", seed=2)
        await here.look()
        (here.folder / "one" / "b.png").rename(here.folder / "two" / "b.png")

        await here.look()
        await here.look()

        assert here.contents("one") == [picture(1)]
        assert here.contents("two") == sorted([picture(1), picture(2)])
        assert await here.quiet()


async def test_nothing_is_fetched_to_a_bare_mount_point(tmp_path: Path) -> None:
    async with world(tmp_path, direction="both", policies={"file_deleted": "trash"}) as here:
        here.write("a.png", seed=1)
        await here.look()
        here.folder.rename(here.base / "away")
        here.folder.mkdir()
        here.server.put(here.board().board_id, "o.png", picture(2))
        await here.look(patience=0.0)
        beneath = here.local()

        here.folder.rmdir()
        (here.base / "away").rename(here.folder)
        await here.look()

        assert beneath == {}
        assert sorted(here.local().values()) == sorted([picture(1), picture(2)])
        assert here.contents() == sorted([picture(1), picture(2)])


async def test_a_doubt_that_a_pass_could_not_decide_is_not_looked_at_again_at_once(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        worker = here.assembly.workers["m"]
        overdue = Pass(next_look_ms=here.clock.now_ns() // 1_000_000 - 1000)

        assert worker._seconds_until(overdue) >= 5.0


class Guarded(SystemDisk):
    """A disk on which, for a while, nobody may open a picture: their rights lie elsewhere."""

    closed = False

    def access(self, path: PathArg, mode: int) -> bool:
        return not self.closed and super().access(path, mode)

    def open(self, path: PathArg, flags: int, mode: int = 0o777) -> int:
        if self.closed and str(path).rstrip("'").endswith(".png"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return super().open(path, flags, mode)


async def test_rules_that_cannot_be_read_when_it_is_decided_are_a_trouble_and_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as here:

        def unreadable(*_: Any) -> decide.Plan:
            raise SettingsError(".boardsyncignore: cannot be read (input/output error)")

        here.write("a.png")
        with monkeypatch.context() as patched:
            patched.setattr(decide, "decide", unreadable)
            first = await here.look()
        second = await here.look()

        assert first.trouble == ".boardsyncignore: cannot be read (input/output error)"
        assert (second.uploaded, second.trouble) == (1, None)


async def test_a_copy_is_not_linked_to_an_item_that_was_moved_since_it_was_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SkippingClock()
    async with world(tmp_path, named_server(clock), clock) as here:
        here.write("a.png", seed=1)
        await here.look()
        here.write("copy.png", seed=1)
        real, moved = decide.decide, list[Item]()

        def overtaken(*arguments: Any) -> decide.Plan:
            plan = real(*arguments)
            if plan.actions and not moved:
                moved.append(here.server.relocate("a.png", here.board().board_id, "b.png"))
                here.state.write_now(lambda c: follow(c, moved[0]))
            return plan

        def follow(c: Connection, item: Item) -> None:
            [link] = links.of_item(c, 1, "a.png")
            links.follow_item(c, link, item.item_id, item.version, 0)
            items_seen.forget_items(c, 1, ["a.png"])
            places.forget_listing(c, 1)

        monkeypatch.setattr(decide, "decide", overtaken)
        result = await here.look()

        assert moved
        with here.state.read() as connection:
            assert {one.path for one in links.of_item(connection, 1, "b.png")} == {
                b"a.png", b"copy.png",
            }  # fmt: skip
        assert (result.trouble, result.synced, len(here.items())) == (None, 2, 1)


async def test_the_board_of_a_folder_that_is_gone_goes_to_the_one_that_it_is_named_for(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        here.write("two/a.png", seed=1)
        here.write("other/c.png", seed=3)
        await here.look()
        (here.folder / "two").rename(here.folder / "found")
        await here.restart(lose_state=True)
        await here.look()
        (here.folder / "found").rename(here.folder / "again")
        here.write("two/b.png", seed=2)

        for _ in range(4):
            result = await here.look(patience=90.0)

        assert result.trouble is None
        assert here.contents("two") == [picture(2)]
        assert here.contents("again") == [picture(1)]


async def test_a_listing_that_nobody_finished_reading_is_not_taken_for_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        await here.look()

        async def killed(*_: object) -> None:
            raise KeyboardInterrupt

        item = here.server.put(here.board().board_id, "o.png", picture(2))
        with monkeypatch.context() as patch:
            patch.setattr(observe_boards, "_note_listing", killed)
            with pytest.raises(KeyboardInterrupt):
                await here.assembly.workers["m"].pass_now(Look.everywhere("test"))
        here.server.remove(item)

        await here.restart()
        await here.look()

        mirror = here.assembly.mirrors[0]
        with mirror.state.read() as connection:
            [board] = places.boards(connection, mirror.number)
            assert set(items_seen.known_items(connection, board.id)) == {
                one.item_id for one in here.items()
            }


async def test_while_the_folder_is_away_nobody_tries_to_read_its_files(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        worker = here.assembly.workers["m"]
        here.write("a.png")
        seen = await worker.pass_now(Look.everywhere("test"))
        assert seen.hashed.next_ready_ns is not None  # it settles
        here.clock.skip(120.0)
        here.folder.rename(tmp_path / "away")

        away = await worker.pass_now(Look.everywhere("test"))
        (tmp_path / "away").rename(here.folder)
        back = await here.look()

        assert away.hashed.next_ready_ns is None
        assert back.synced == 1
