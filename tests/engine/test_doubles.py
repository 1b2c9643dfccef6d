"""A picture that was sent twice: one item stays, the other goes to the trash."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine import report
from boardsync.engine.once import MirrorResult
from boardsync.engine.trash_can import list_trash, restore
from boardsync.engine.undo import undo
from boardsync.engine.why import why
from boardsync.errors import ServerFault
from boardsync.model import Mark
from boardsync.plan.doubles import WINDOW_MS
from boardsync.plan.tokens import token_for
from boardsync.servers.memory.server import CAPABILITIES, NAMED, MemoryServer
from engine.world import SkippingClock, World, picture, world


def idle(result: MirrorResult) -> bool:
    did = (result.uploaded, result.downloaded, result.linked, result.moved, result.trashed)
    return not any(did) and result.good


def status(here: World) -> dict[str, Any]:
    told: dict[str, Any] = report.status(here.assembly.settings, here.state)["mirrors"][0]
    return told


@contextlib.asynccontextmanager
async def sent_twice(base: Path, **mirror: Any) -> AsyncIterator[World]:
    """A picture whose first upload is committed after the second was linked."""
    async with world(base, **mirror) as here:
        here.write("a.png")
        here.server.faults.late_uploads = 1
        result = await here.look(patience=600.0)
        assert (result.synced, len(here.items())) == (1, 1)
        here.server.commit_late()
        assert len(here.items()) == 2
        yield here


async def test_a_late_commit_leaves_one_item_and_the_other_can_come_back(tmp_path: Path) -> None:
    async with sent_twice(tmp_path) as here:
        kept = here.items()[0].item_id

        result = await here.look()

        assert (result.trashed, [one.item_id for one in here.items()]) == (1, [kept])
        assert idle(await here.look())
        assert await here.quiet()
        (entry,) = list_trash(here.assembly.settings, here.state)["trash"]
        assert (entry["path"], entry["side"]) == ("a.png", "item")
        await restore(here.assembly, [entry["id"]])
        assert len(here.items()) == 2
        assert idle(await here.look())
        assert (await here.look()).synced == 1


async def test_undo_of_the_run_brings_the_double_back_and_nothing_takes_it_again(
    tmp_path: Path,
) -> None:
    async with sent_twice(tmp_path) as here:
        await here.look()
        run = report.history(here.assembly.settings, here.state, limit=1)[0]["id"]

        await undo(here.assembly, run)

        assert len(here.items()) == 2
        assert idle(await here.look())


async def test_the_link_goes_to_the_older_one_before_the_younger_goes(tmp_path: Path) -> None:
    async with sent_twice(tmp_path) as here:
        linked, late = (one.item_id for one in here.items())
        older(here, late)

        await here.look()

        assert [one.item_id for one in here.items()] == [late]
        assert [one.item.item_id for one in here.server.in_the_trash()] == [linked]
        result = await here.look()
        assert (idle(result), result.synced) == (True, 1)


def older(here: World, item_id: str) -> None:
    """Let the server say that it began with an item before the others."""
    stored = here.server._stock.one(item_id)
    assert stored.item.created_ms is not None
    stored.item = replace(stored.item, created_ms=stored.item.created_ms - 60_000)


async def test_a_starred_one_a_later_one_and_another_mirrors_are_kept_and_told(
    tmp_path: Path,
) -> None:
    async with sent_twice(tmp_path) as here:
        ours, late = here.items()
        here.server.star(late.item_id)
        mark = here.server.on_board(ours.board_id)[0].mark
        assert mark is not None
        here.clock.skip(WINDOW_MS / 1000)
        put(here, mark)
        put(here, replace(mark, mirror="other", token=token_for("other", mark.file)))

        result = await here.look()

        assert (result.trashed, len(here.items())) == (0, 4)
        told = {one["item"]: one["reason"] for one in status(here)["doubles"]}
        assert told == {
            "item-000003": "kept: it is starred",
            "item-000004": "kept: it was not made in the moment in which its picture was sent",
        }
        (known,) = why(here.assembly.settings, here.state, late.item_id)
        assert known["verdict"].startswith("a double: a.png is on the board as an older item")
        assert await here.quiet()


def put(here: World, mark: Mark) -> None:
    board = here.board().board_id
    here.server.put(board, "x.png", picture(1), mark=mark, origin="external", size=(24, 16))


async def test_a_star_that_no_listing_told_of_keeps_it(tmp_path: Path) -> None:
    async with sent_twice(tmp_path) as here:
        late = here.items()[1].item_id
        here.server.star(here.items()[0].item_id)
        older(here, late)

        await here.look()

        assert len(here.items()) == 2
        assert idle(await here.look())
        assert [one["reason"] for one in status(here)["doubles"]] == ["kept: it is starred"]


async def test_without_a_trash_on_the_server_it_is_told(tmp_path: Path) -> None:
    clock = SkippingClock()
    server = MemoryServer(
        "server", replace(CAPABILITIES, trash=False), lambda: clock.now_ns() // 1_000_000
    )
    async with world(tmp_path, server, clock) as here:
        here.write("a.png")
        server.faults.late_uploads = 1
        await here.look(patience=600.0)
        server.commit_late()

        assert (await here.look()).trashed == 0
        assert (len(here.items()), len(status(here)["doubles"])) == (2, 1)


async def test_where_each_path_has_its_item_they_all_stay(tmp_path: Path) -> None:
    async with world(tmp_path, policies={"same_picture": "each"}) as here:
        here.write("a.png")
        here.write("b.png")
        await here.look()
        await here.look()
        assert len(here.items()) == 2
        assert status(here)["doubles"] == []

        (here.folder / "b.png").unlink()
        await here.look()

        assert idle(await here.look())
        assert (len(here.items()), status(here)["doubles"]) == (2, [])


async def test_a_ghost_is_never_what_stays(tmp_path: Path) -> None:
    async with sent_twice(tmp_path) as here:
        linked, late = (one.item_id for one in here.items())
        older(here, late)
        here.server._stock.one(late).whole = False

        await here.look(patience=600.0)

        assert [one.item_id for one in here.items()] == [linked]
        assert here.server.in_the_trash() == []
        result = await here.look()
        assert (idle(result), result.synced) == (True, 1)


@pytest.mark.parametrize("lost", ["lost_changes", "dropped_changes"])
@pytest.mark.parametrize("kept_first", [True, False])
async def test_cut_off_around_the_removal_it_is_removed_and_recorded_once(
    tmp_path: Path, lost: str, kept_first: bool
) -> None:
    async with sent_twice(tmp_path) as here:
        if not kept_first:
            older(here, here.items()[1].item_id)
        setattr(here.server.faults, lost, 1)
        await here.look(patience=0.0)
        await here.restart()

        await here.look()

        assert (len(here.items()), len(here.server.in_the_trash())) == (1, 1)
        assert len(list_trash(here.assembly.settings, here.state)["trash"]) == 1
        result = await here.look()
        assert (idle(result), result.synced) == (True, 1)


@contextlib.asynccontextmanager
async def two_daemons(tmp_path: Path, server: MemoryServer) -> AsyncIterator[tuple[World, World]]:
    """Two daemons with one mirror id on one board, as when a state was copied."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    clock = SkippingClock()
    async with (
        world(tmp_path / "one", server, clock) as one,
        world(tmp_path / "two", server, clock) as two,
    ):
        yield one, two


@pytest.mark.parametrize("capabilities", [CAPABILITIES, NAMED])
async def test_two_daemons_that_send_the_same_pictures_at_one_moment_end_with_one_of_each(
    tmp_path: Path, capabilities: Any
) -> None:
    server = MemoryServer("server", capabilities)
    server.add_board("board")
    async with two_daemons(tmp_path, server) as (one, two):
        for here in (one, two):
            for seed in range(6):
                here.write(f"{seed}.png", seed=seed)
        await asyncio.gather(one.look(), two.look())
        if not capabilities.names_kept:
            assert len(one.items()) > 6

        for _ in range(4):
            await asyncio.gather(one.look(), two.look())

        assert one.contents() == sorted(picture(seed) for seed in range(6))
        for here in (one, two):
            result = await here.look()
            assert (idle(result), result.synced) == (True, 6)
        assert one.local() == two.local() == {f"{seed}.png": picture(seed) for seed in range(6)}


async def test_a_removal_that_failed_at_first_goes_on_where_names_had_older_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SkippingClock()
    server = MemoryServer("server", NAMED, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock, boards="by-subfolder") as here:
        file = here.write("one/p.png", seed=1)
        here.write("two/x.png", seed=2)
        await here.look()
        here.write("two/x.png", seed=1)
        await here.look()
        trash = server.trash

        async def failing(*_: object) -> str:
            monkeypatch.setattr(server, "trash", trash)
            raise ServerFault("not now")

        monkeypatch.setattr(server, "trash", failing)
        file.rename(here.folder / "two/p.png")
        for _ in range(3):
            await here.look(patience=90.0)

        assert here.contents("two") == [picture(1)]
        assert here.server.trash == trash
