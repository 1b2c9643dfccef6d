"""Items that change while their files move, are left behind, or come from an older state."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from boardsync.engine.observe_boards import observe_board
from boardsync.engine.observe_files import observe_paths
from boardsync.engine.once import once
from boardsync.engine.passes import Look
from boardsync.engine.pull import Puller
from boardsync.engine.push import Pusher
from boardsync.engine.service import carrying
from boardsync.errors import ServerFault
from boardsync.files.disk import PathArg, SystemDisk
from boardsync.model import Item, Listing, Mark, TransferState
from boardsync.plan.tokens import token_for
from boardsync.servers.memory import NAMED, MemoryServer
from boardsync.state import links, places, transfers
from engine.world import SkippingClock, World, picture, world


@pytest.fixture
def clock() -> SkippingClock:
    return SkippingClock()


@pytest.fixture
async def here(tmp_path: Path, clock: SkippingClock) -> AsyncIterator[World]:
    """A mirror of a server that keeps names and replaces contents, subfolders as boards."""
    server = MemoryServer("server", NAMED, clock_ms=lambda: clock.now_ns() // 1_000_000)
    policies = {"file_deleted": "trash", "both_changed": "local"}
    async with world(tmp_path, server, clock, boards="by-subfolder", policies=policies) as made:
        for name in ("one", "two"):
            (made.folder / name).mkdir()
            server.add_board(name)
        yield made


async def test_an_item_that_is_moved_and_edited_is_a_new_one_where_names_tell_items_apart(
    here: World,
) -> None:
    item = here.server.put("one", "o.png", picture(1))
    await here.look()
    here.server.relocate(item, "two")
    here.server.replace("o.png", picture(2))

    await here.look(patience=90.0)

    assert here.local() == {"one/outputs/o.png": picture(1), "two/outputs/o.png": picture(2)}
    assert await here.quiet()


async def test_a_version_that_was_pulled_since_the_state_was_saved_is_no_conflict(
    here: World,
) -> None:
    here.write("one/a.png", seed=1)
    await here.look()
    saved = here.base / "saved.db"
    await here.close()
    shutil.copy(here.base / "state.db", saved)
    await here.open()
    here.server.replace("a.png", picture(2))
    await here.look()

    await here.close()
    for path in here.base.glob("state.db*"):
        path.unlink()
    shutil.copy(saved, here.base / "state.db")
    await here.open()
    await here.look(patience=120.0)

    assert here.local() == {"one/a.png": picture(2)}
    assert here.contents("one") == [picture(2)]
    assert await here.quiet()


async def test_a_pulled_file_that_still_settles_is_not_fetched_again_without_the_state(
    here: World,
) -> None:
    here.server.put("one", "o.png", picture(1))
    await here.look()
    (here.folder / "one" / "outputs" / "o.png").rename(here.folder / "one" / "kept.png")

    await here.restart(lose_state=True)
    async with carrying(here.assembly):
        await once(here.assembly, patience=0.0)  # it was renamed a moment ago
    result = await here.look()

    assert result.downloaded == 0
    assert here.local() == {"one/kept.png": picture(1)}
    assert here.contents("one") == [picture(1)]
    assert await here.quiet()


class Plain(SystemDisk):
    """A filesystem without extended attributes."""

    def getxattr(self, path: PathArg, name: str) -> bytes:
        raise OSError(errno.ENOTSUP, "no attributes here")


async def test_where_files_say_nothing_the_time_tells_of_a_named_item_too(here: World) -> None:
    here.server.put("one", "o.png", picture(1), size=(24, 16))
    await here.look()
    (here.folder / "one" / "outputs" / "o.png").rename(here.folder / "one" / "kept.png")
    here.disk = Plain()

    await here.restart(lose_state=True)
    result = await here.look()

    assert (result.uploaded, result.downloaded) == (0, 0)
    assert here.local() == {"one/kept.png": picture(1)}
    assert here.contents("one") == [picture(1)]


@pytest.mark.parametrize("edited", [True, False])
async def test_without_the_state_a_pulled_file_gets_its_items_new_version(
    here: World, edited: bool
) -> None:
    here.server.put("one", "o.png", picture(1))
    await here.look()
    if edited:
        here.server.replace("o.png", picture(2))
    await here.restart(lose_state=True)

    result = await here.look()

    assert here.local() == {"one/outputs/o.png": picture(2 if edited else 1)}
    assert result.downloaded == int(edited)
    assert await here.quiet()


async def test_a_file_that_goes_before_its_new_content_was_sent_takes_its_item_along(
    here: World,
) -> None:
    here.write("one/a.png", seed=1)
    await here.look()
    here.write("one/a.png", seed=2)
    here.clock.skip(120.0)
    worker = here.assembly.workers["m"]
    await worker.pass_now(Look.everywhere("test"))
    with here.state.read() as connection:
        [waiting] = transfers.waiting(connection, [worker.mirror.number])
    (here.folder / "one" / "a.png").unlink()

    await Pusher(worker.mirror).carry([waiting])
    await here.look()
    await here.look()

    assert here.contents("one") == []


async def test_a_hint_in_another_folder_than_before_has_all_of_it_looked_at(here: World) -> None:
    here.write("one/a.png", seed=1)
    await here.look()
    here.folder.rename(here.base / "away")
    added = here.write("one/b.png", seed=2)

    await observe_paths(here.assembly.mirrors[0], [b"one/b.png"])
    added.unlink()
    result = await here.look()

    assert result.trouble is None
    assert here.contents("one") == [picture(1)]


async def test_a_new_version_of_what_was_left_in_another_folder_is_fetched(here: World) -> None:
    here.server.put("one", "o.png", picture(1))
    await here.look()
    here.folder.rename(here.base / "away")
    (here.folder / "one").mkdir(parents=True)
    here.write("two/b.png", seed=3)
    await here.look()
    assert here.local() == {"two/b.png": picture(3)}

    here.server.replace("o.png", picture(2))
    await here.look(patience=90.0)

    assert here.local() == {"two/b.png": picture(3), "one/outputs/o.png": picture(2)}
    assert await here.quiet()


@pytest.mark.parametrize("placed", [True, False])
async def test_an_item_that_is_edited_while_nobody_placed_what_was_fetched_is_fetched_again(
    here: World, monkeypatch: pytest.MonkeyPatch, placed: bool
) -> None:
    here.server.put("one", "o.png", picture(1))

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    def killed_before(*_: object) -> bool:
        raise KeyboardInterrupt

    worker = here.assembly.workers["m"]
    await worker.pass_now(Look.everywhere("test"))
    with here.state.read() as connection:
        [waiting] = transfers.waiting(connection, [worker.mirror.number])
    with monkeypatch.context() as patch:
        if placed:
            patch.setattr(Puller, "_agree", killed)
        else:
            patch.setattr(Puller, "_put", killed_before)
        with pytest.raises(KeyboardInterrupt):
            await Puller(worker.mirror).carry(waiting)
    here.server.replace("o.png", picture(2))

    await here.restart()
    await here.look(patience=90.0)
    await here.look(patience=90.0)

    assert here.local() == {"one/outputs/o.png": picture(2)}
    assert await here.quiet()


async def test_a_server_that_was_away_for_long_makes_no_output_broken(here: World) -> None:
    here.server.put("one", "o.png", picture(1), whole=False)
    worker = here.assembly.workers["m"]
    await worker.pass_now(Look.everywhere("test"))
    with here.state.read() as connection:
        [waiting] = transfers.waiting(connection, [worker.mirror.number])
    long_ago = here.clock.now_ns() // 1_000_000 - 86_400_000
    await here.state.write(
        lambda c: transfers.change(c, waiting.id, long_ago, attempts=50, first_sent_ms=long_ago)
    )

    await here.look(patience=0.0)

    with here.state.read() as connection:
        [waiting] = transfers.waiting(connection, [worker.mirror.number])
    assert waiting.state is TransferState.READY


async def test_an_item_that_went_to_a_board_whose_folder_is_gone_holds_up_no_new_content(
    here: World,
) -> None:
    here.write("one/a.png", seed=1)
    here.write("two/b.png", seed=2)
    await here.look()
    here.server.relocate("a.png", "two")
    now = here.clock.now_ns()
    os.utime(here.write("one/a.png", seed=3), ns=(now, now))
    async with carrying(here.assembly):
        await once(here.assembly, patience=0.0)  # it was written a moment ago
    assert here.contents("one") == []
    shutil.rmtree(here.folder / "two")
    await here.restart()

    for _ in range(3):
        await here.look(patience=90.0)

    assert here.contents("one") == [picture(3)]
    assert await here.quiet()


async def test_a_copy_that_is_linked_while_its_item_goes_to_another_board_gets_its_own(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.write("one/a.png", seed=1)
    await here.look()
    (here.folder / "one" / "a.png").rename(here.folder / "two" / "a.png")
    move, mirror = here.server.move, here.assembly.mirrors[0]

    async def linked_meanwhile(item: Item, board_id: str | None, name: str | None = None) -> Item:
        here.write("one/copy.png", seed=1)
        with here.state.read() as connection:
            [link] = links.of_path(connection, mirror.number, b"one/a.png")
        new = links.NewLink(
            mirror.number, b"one/copy.png", link.digest, link.board, link.item_id, link.version,
            "found",
        )  # fmt: skip
        await here.state.write(lambda c: links.agree(c, new, 1))
        return await move(item, board_id, name)

    monkeypatch.setattr(here.server, "move", linked_meanwhile)
    for _ in range(3):
        await here.look(patience=90.0)

    assert here.contents("one") == [picture(1)]
    assert here.contents("two") == [picture(1)]


async def empty_listing(board_id: str | None, known: str | None = None) -> Listing:
    return Listing(board_id, "nothing", (), complete=True)


async def test_what_vanished_before_anybody_read_it_is_looked_up_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        await here.restart(lose_state=True)

        async def unreadable(*_: object) -> dict[str, Mark | None]:
            raise ServerFault("not now")

        with monkeypatch.context() as patch:
            patch.setattr(here.server, "marks", unreadable)
            await here.look(patience=0.0)
        here.clock.skip(3600.0)  # the server's gate is open again
        with monkeypatch.context() as patch:
            patch.setattr(here.server, "listing", empty_listing)
            await here.look()
        await here.look()

        assert here.contents() == [picture(1)]


async def test_ours_that_vanished_before_it_was_linked_is_looked_up_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        await here.restart(lose_state=True)

        unreadable = here.folder / ".boardsyncignore"
        unreadable.mkdir()  # nothing is decided, and nothing linked
        await here.look()
        unreadable.rmdir()
        here.server.calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(here.server, "listing", empty_listing)
            await here.look()
        await here.look()

        assert here.contents() == [picture(1)]
        assert "upload" not in here.server.calls


async def test_what_another_mirror_removes_from_a_shared_board_slows_nothing_down(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        digest = hashlib.sha256(picture(9)).hexdigest()
        mark = Mark("other", token_for("other", digest), digest, digest, "original")
        board_id = here.board().board_id
        item = here.server.put(board_id, "x.png", picture(9), size=(24, 16), mark=mark)
        await here.look()
        here.server.remove(item)

        here.server.calls.clear()
        await here.look()

        assert here.assembly.mirrors[0].partly_listed == set()
        assert here.server.calls["items"] == 0


@pytest.fixture
async def twice(tmp_path: Path, clock: SkippingClock) -> AsyncIterator[World]:
    """A picture on two boards, of which one is about to follow its file to the other."""
    server = MemoryServer("server", NAMED, lambda: clock.now_ns() // 1_000_000)
    policies = {"item_deleted": "trash"}
    async with world(tmp_path, server, clock, boards="by-subfolder", policies=policies) as made:
        file = made.write("one/a.png", seed=1)
        made.write("b.png", seed=1)
        await made.look()
        file.rename(made.folder / "c.png")
        yield made


def meanwhile(here: World, work: Callable[[], Awaitable[object]]) -> None:
    """Do something between the server's answer to a move and our record of it."""
    move = here.server.move

    async def moved(*arguments: object) -> Item:
        answer = await move(*arguments)  # type: ignore[arg-type]
        here.server.move = move  # type: ignore[method-assign]
        await work()
        return answer

    here.server.move = moved  # type: ignore[method-assign, assignment]


async def require_one_item_and_both_files(here: World) -> None:
    for _ in range(4):
        await here.look(patience=90.0)
    assert here.contents("m") == [picture(1)]
    assert set(here.local()) == {"b.png", "c.png"}
    assert await here.quiet()


async def test_an_item_that_a_listing_lacks_while_it_is_moved_is_a_double_all_the_same(
    twice: World,
) -> None:
    mirror = twice.assembly.mirrors[0]

    async def list_where_it_was() -> None:
        with twice.state.read() as connection:
            board = places.board_for(connection, mirror.number, b"one")
        assert board is not None
        await observe_board(mirror, board)

    meanwhile(twice, list_where_it_was)

    await require_one_item_and_both_files(twice)


async def test_a_double_that_goes_while_its_move_is_recorded_costs_no_file(
    twice: World,
) -> None:
    worker = twice.assembly.workers["m"]

    async def pass_meanwhile() -> None:
        await worker.pass_now(Look.everywhere("test"))
        await asyncio.sleep(0.2)

    meanwhile(twice, pass_meanwhile)

    await require_one_item_and_both_files(twice)


async def test_an_older_copy_of_a_pulled_file_stays_what_it_is_when_the_state_was_lost(
    tmp_path: Path, clock: SkippingClock
) -> None:
    server = MemoryServer("server", NAMED, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock) as here:
        server.add_board("board")
        server.put("board", "x.png", picture(1), size=(24, 16))
        await here.look()
        shutil.copy2(here.folder / "outputs/x.png", here.folder / "older.png")
        await here.look()
        server.replace("x.png", picture(2))
        await here.look()
        await here.restart(lose_state=True)

        for _ in range(3):
            await here.look(patience=90.0)

        assert here.local() == {"older.png": picture(1), "outputs/x.png": picture(2)}
