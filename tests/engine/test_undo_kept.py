"""What an undo leaves as it is, and tells: changed since, gone, on its way, out of reach."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.trash_can import list_trash
from boardsync.engine.undo import undo
from boardsync.errors import SettingsError
from boardsync.model import Capabilities
from boardsync.servers.memory.server import CAPABILITIES, NAMED, MemoryServer
from engine.undo_kit import (
    APART,
    TRASH,
    idle,
    in_local_trash,
    in_server_trash,
    newest_run,
    take_back,
    words_of,
)
from engine.world import World, picture, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies=TRASH) as made:
        made.server.add_board("board")
        made.clock.skip(APART)
        yield made


async def star(here: World, item: str) -> None:
    here.server.star(item)


async def carry_away(here: World, item: str) -> None:
    here.server.relocate(item, here.server.add_board("elsewhere").board_id)


async def link_again(here: World, _: str) -> None:
    here.write("b.png", seed=1)
    assert (await here.look()).linked == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (star, "kept: it is starred on the board"),
        (carry_away, "kept: somebody moved it to another board"),
        (link_again, "kept: b.png holds the same picture"),
    ],
)
async def test_an_item_that_somebody_did_something_with_is_kept_and_told(
    here: World, change: Callable[[World, str], Any], words: str
) -> None:
    here.write("a.png", seed=1)
    await here.look()
    run = newest_run(here)
    await change(here, here.items()[0].item_id)

    done = await take_back(here, run)

    assert words_of(done) == [("a.png", False, words)]
    assert in_server_trash(here) == []
    assert here.local()["a.png"] == picture(1)


async def test_an_item_that_was_changed_since_is_kept(tmp_path: Path) -> None:
    server = MemoryServer("server", NAMED)
    async with world(tmp_path, server) as here:
        here.write("a.png", seed=1)
        await here.look()
        server.replace("a.png", picture(2))

        done = await take_back(here)

        assert words_of(done) == [("a.png", False, "kept: it was changed on the board since")]
        assert here.contents() == [picture(2)]


async def test_a_fetched_file_that_was_changed_since_is_kept(here: World) -> None:
    item = here.server.put(here.board().board_id, "x.png", picture(1), size=(24, 16))
    await here.look()
    name = f"outputs/{item.item_id}.png"
    here.write(name, seed=2)

    done = await take_back(here)

    assert words_of(done) == [(name, False, "kept: its content was changed since")]
    assert here.local() == {name: picture(2)}
    assert in_local_trash(here) == []


async def test_what_is_gone_already_is_told_and_no_failure(here: World) -> None:
    here.write("a.png", seed=1)
    item = here.server.put(here.board().board_id, "x.png", picture(2), size=(24, 16))
    await here.look()
    for one in here.items():
        here.server.remove(one.item_id)
    (here.folder / "outputs" / f"{item.item_id}.png").unlink()

    done = await take_back(here)

    assert [(one.done, one.words) for one in done.told] == [(True, "was not there any more")] * 2


async def test_one_item_of_two_files_is_taken_back_once_and_comes_back_to_both(
    here: World,
) -> None:
    here.write("a.png", seed=1)
    here.write("b.png", seed=1)
    before = (await here.look()).synced
    assert len(here.items()) == 1

    first = await take_back(here)
    assert (len(first.told), here.items()) == (1, [])
    assert idle(await here.look())
    await take_back(here, first.run)

    assert len(here.items()) == 1
    result = await here.look()
    assert (idle(result), result.synced) == (True, before)


async def test_what_it_leaves_as_it_is_is_told_in_words(here: World) -> None:
    here.write("a.png", seed=1)
    await here.look()
    here.write("b.png", seed=1)
    (here.folder / "a.png").rename(here.folder / "c.png")
    result = await here.look()
    assert (result.moved, result.linked) == (1, 1)

    done = await take_back(here)

    assert (done.run, done.told) == (None, [])
    assert done.remarks == [
        "renamed by somebody, or set aside for a conflict, and left so: 1",
        "only linked, since both sides had it; stays linked: 1",
    ]


async def test_transfers_that_are_still_on_their_way_are_told(here: World) -> None:
    here.server.put(here.board().board_id, "x.png", picture(3), size=(24, 16), whole=False)
    await here.look(patience=5.0)

    done = await take_back(here)

    assert done.remarks == [
        "still on its way, and not taken back; repeat this when it has arrived: 1"
    ]


async def test_a_server_that_is_away_leaves_the_rest_for_a_repeat(here: World) -> None:
    here.write("a.png", seed=1)
    here.server.put(here.board().board_id, "x.png", picture(2), size=(24, 16))
    await here.look()
    run = newest_run(here)
    here.server.faults.unreachable = True

    done = await take_back(here, run)

    assert [(one.done, one.later) for one in done.told] == [(False, True), (True, False)]
    here.server.faults.unreachable = False
    here.clock.skip(60)
    assert [one.done for one in (await take_back(here, run)).told] == [True]
    assert here.contents() == [picture(2)]
    assert idle(await here.look())


@pytest.mark.parametrize("lost", ["lost_changes", "dropped_changes"])
@pytest.mark.parametrize("capabilities", [CAPABILITIES, NAMED])
async def test_after_a_lost_answer_a_repeat_takes_the_item_back_once(
    tmp_path: Path, lost: str, capabilities: Capabilities
) -> None:
    async with world(tmp_path, MemoryServer("server", capabilities)) as here:
        here.write("a.png", seed=1)
        await here.look()
        run = newest_run(here)
        setattr(here.server.faults, lost, 1)

        first = await take_back(here, run)
        second = await take_back(here, run)

        assert [(one.done, one.later) for one in first.told] == [(False, True)]
        assert [one.done for one in second.told] == [True]
        assert (here.items(), in_server_trash(here)) == ([], [picture(1)])
        assert len(list_trash(here.assembly.settings, here.state)["trash"]) == 1
        assert idle(await here.look())


async def test_a_run_that_is_unknown_is_told(here: World) -> None:
    with pytest.raises(SettingsError, match="there is no run 99 in the history"):
        await undo(here.assembly, 99)
