"""Undo: both sides are put back to before a run, and nothing is made again by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine.consent import answer, list_holds
from boardsync.engine.report import history
from boardsync.plan.links import Consent
from boardsync.servers.memory.server import NAMED, MemoryServer
from engine.undo_kit import (
    APART,
    TRASH,
    idle,
    in_local_trash,
    in_server_trash,
    newest_run,
    runs_after,
    take_back,
)
from engine.world import World, picture, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies=TRASH) as made:
        made.server.add_board("board")
        made.clock.skip(APART)
        yield made


async def test_what_a_run_sent_goes_to_the_servers_trash_and_is_not_sent_again(
    here: World,
) -> None:
    here.write("a.png", seed=1)
    here.write("sub/b.png", seed=2)
    await here.look()

    done = await take_back(here)

    assert all(one.done for one in done.told)
    assert here.items() == []
    assert in_server_trash(here) == sorted([picture(1), picture(2)])
    assert set(here.local()) == {"a.png", "sub/b.png"}
    assert idle(await here.look())
    assert await here.quiet()


async def test_new_content_starts_an_undone_file_anew(here: World) -> None:
    here.write("a.png", seed=1)
    await here.look()
    await take_back(here)
    here.write("a.png", seed=2)

    assert (await here.look()).uploaded == 1
    assert here.contents() == [picture(2)]


async def test_what_a_run_fetched_goes_to_the_local_trash_and_is_not_fetched_again(
    here: World,
) -> None:
    board = here.board().board_id
    for seed in (1, 2):
        here.server.put(board, "x.png", picture(seed), size=(24, 16))
    await here.look()

    await take_back(here)

    assert here.local() == {}
    assert in_local_trash(here) == sorted([picture(1), picture(2)])
    assert len(here.items()) == 2
    assert idle(await here.look())
    assert await here.quiet()


async def test_what_a_run_removed_from_the_board_is_there_again_under_its_own_id(
    here: World,
) -> None:
    for seed in range(5):
        here.write(f"{seed}.png", seed=seed)
    await here.look()
    before = sorted(item.item_id for item in here.items())
    (here.folder / "3.png").unlink()
    assert (await here.look()).trashed == 1

    await take_back(here)

    assert sorted(item.item_id for item in here.items()) == before
    assert idle(await here.look())
    here.write("3.png", seed=3)
    result = await here.look()
    assert (result.uploaded, result.synced, len(here.items())) == (0, 5, 5)


async def test_what_a_run_removed_from_the_folder_is_there_again_and_stays_there(
    here: World,
) -> None:
    for seed in range(5):
        here.write(f"{seed}.png", seed=seed)
    await here.look()
    before = here.local()
    here.server.remove(here.items()[0].item_id)
    assert (await here.look()).trashed == 1

    await take_back(here)

    assert here.local() == before
    assert in_local_trash(here) == []
    assert idle(await here.look())
    assert len(here.items()) == 4


async def test_a_mass_that_was_approved_is_returned_whole(here: World) -> None:
    for seed in range(30):
        here.write(f"{seed:02}.png", seed=seed)
    await here.look()
    before = sorted(item.item_id for item in here.items())
    for seed in range(27):
        (here.folder / f"{seed:02}.png").unlink()
    await here.look()
    (hold,) = list_holds(here.assembly.settings, here.state)
    await answer(here.assembly.mirrors, hold["hold"], Consent.APPROVED)
    assert (await here.look()).trashed == 27

    done = await take_back(here)

    assert sorted(item.item_id for item in here.items()) == before
    assert all(one.done for one in done.told)
    assert idle(await here.look())


async def test_a_replaced_item_and_its_successor_change_places_again(here: World) -> None:
    here.write("a.png", seed=1)
    await here.look()
    here.write("a.png", seed=2)
    await here.look()
    await here.look()
    assert here.contents() == [picture(2)]
    replacing = newest_run(here)

    await take_back(here, replacing)
    await take_back(here, replacing - 1)

    assert here.contents() == [picture(1)]
    assert in_server_trash(here) == [picture(2)]
    assert here.local() == {"a.png": picture(2)}
    assert idle(await here.look())


async def test_an_item_that_was_replaced_in_one_step_is_back_under_its_name(
    tmp_path: Path,
) -> None:
    server = MemoryServer("server", NAMED)
    async with world(tmp_path, server) as here:
        here.write("a.png", seed=1)
        await here.look()
        sending = newest_run(here)
        here.write("a.png", seed=2)
        await here.look()
        assert (here.contents(), in_server_trash(here)) == ([picture(2)], [picture(1)])
        replacing = newest_run(here)

        first = await take_back(here, sending)
        assert [(one.done, one.words) for one in first.told] == [
            (True, "newer content of its file has taken its place since")
        ]
        done = await take_back(here, replacing)

        assert (here.contents(), in_server_trash(here)) == ([picture(1)], [picture(2)])
        assert [item.item_id for item in here.items()] == ["a.png"]
        assert here.local() == {"a.png": picture(2)}
        assert idle(await here.look())
        await take_back(here, done.run)
        assert (here.contents(), in_server_trash(here)) == ([picture(2)], [picture(1)])
        result = await here.look()
        assert (idle(result), result.synced) == (True, 1)


async def test_content_that_came_back_by_itself_is_not_taken_for_what_the_run_removed(
    here: World,
) -> None:
    here.write("a.png", seed=1)
    await here.look()
    here.write("a.png", seed=2)
    await here.look()
    await here.look()
    replacing = newest_run(here)
    here.write("a.png", seed=1)
    await here.look()
    await here.look()
    assert here.contents() == [picture(1)]

    await take_back(here, replacing)

    assert here.contents() == [picture(1)]
    assert idle(await here.look())


async def test_a_version_that_was_fetched_over_a_file_makes_way_for_the_old_one(
    tmp_path: Path,
) -> None:
    server = MemoryServer("server", NAMED)
    async with world(tmp_path, server) as here:
        here.write("a.png", seed=1)
        await here.look()
        server.replace("a.png", picture(2))
        assert (await here.look()).downloaded == 1
        assert here.local() == {"a.png": picture(2)}

        await take_back(here)

        assert here.local() == {"a.png": picture(1)}
        assert in_local_trash(here) == [picture(2)]
        assert here.contents() == [picture(2)]
        assert idle(await here.look())


async def test_an_undo_can_be_undone_both_ways(here: World) -> None:
    here.write("a.png", seed=1)
    here.server.put(here.board().board_id, "x.png", picture(2), size=(24, 16))
    await here.look()
    local, remote = here.local(), sorted(item.item_id for item in here.items())
    first = await take_back(here)
    assert (len(here.local()), len(here.items())) == (1, 1)

    second = await take_back(here, first.run)
    assert (here.local(), sorted(item.item_id for item in here.items())) == (local, remote)
    assert idle(await here.look())
    assert (await here.look()).synced == 2

    await take_back(here, second.run)
    assert (set(here.local()), len(here.items())) == ({"a.png"}, 1)
    assert in_local_trash(here) == [picture(2)]
    assert in_server_trash(here) == [picture(1)]
    assert idle(await here.look())


async def test_an_undo_of_removals_can_be_undone(here: World) -> None:
    for seed in range(3):
        here.write(f"{seed}.png", seed=seed)
    await here.look()
    sending = newest_run(here)
    (here.folder / "0.png").unlink()
    here.server.remove(here.items()[1].item_id)
    assert (await here.look()).trashed == 2
    undone = [await take_back(here, run) for run in runs_after(here, sending)]
    assert (len(here.local()), len(here.items())) == (2, 2)

    for one in undone:
        if one.run is not None:  # it had something to take back
            await take_back(here, one.run)

    assert (set(here.local()), len(here.items())) == ({"2.png"}, 1)
    assert idle(await here.look())


async def test_it_is_a_run_of_its_own_in_the_history(here: World) -> None:
    here.write("a.png")
    await here.look()
    run = newest_run(here)

    done = await take_back(here)

    newest = history(here.assembly.settings, here.state, limit=1)[0]
    assert (newest["id"], newest["cause"]) == (done.run, f"undo of run {run}")
    assert (newest["trashed"], newest["restored"]) == (1, 0)
    await take_back(here, done.run)
    newest = history(here.assembly.settings, here.state, limit=1)[0]
    assert (newest["trashed"], newest["restored"]) == (0, 1)


async def test_repeating_it_finds_nothing_left_and_says_so(here: World) -> None:
    here.write("a.png")
    here.server.put(here.board().board_id, "x.png", picture(2), size=(24, 16))
    await here.look()
    run = newest_run(here)
    await take_back(here, run)

    again = await take_back(here, run)

    assert (again.run, again.told) == (None, [])
    assert again.remarks == ["in the trash already, or deleted from there: 2"]
    assert idle(await here.look())
