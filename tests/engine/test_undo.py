"""Undo: both sides are put back to before a run, and nothing is made again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.consent import answer, list_holds
from boardsync.engine.once import MirrorResult
from boardsync.engine.report import history
from boardsync.engine.trash_can import list_trash
from boardsync.engine.undo import Undone, undo
from boardsync.errors import SettingsError
from boardsync.model import Capabilities
from boardsync.plan.links import Consent
from boardsync.servers.memory.server import CAPABILITIES, NAMED, MemoryServer
from engine.world import World, picture, world

TRASH = {"file_deleted": "trash", "item_deleted": "trash"}
APART = 3600.0
"""Between the times of files and of items: of one moment they might be the same picture."""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies=TRASH) as made:
        made.server.add_board("board")
        made.clock.skip(APART)
        yield made


def newest_run(here: World) -> int:
    return int(history(here.assembly.settings, here.state, limit=1)[0]["id"])


async def take_back(here: World, run: int | None = None) -> Undone:
    return await undo(here.assembly, newest_run(here) if run is None else run)


def runs_after(here: World, run: int) -> list[int]:
    """Return the runs since one, newest first: a removal waits for a pass of its own."""
    told = history(here.assembly.settings, here.state)
    return [int(one["id"]) for one in told if one["id"] > run]


def words_of(done: Undone) -> list[tuple[str, bool, str]]:
    return [(one.picture, one.done, one.words) for one in done.told]


def idle(result: MirrorResult) -> bool:
    """Tell whether a pass found nothing to do."""
    did = (result.uploaded, result.downloaded, result.linked, result.moved, result.trashed)
    return not any(did) and result.good


def item_of(here: World, content: bytes) -> str:
    stored = here.server.on_board(here.board().board_id)
    return next(one.item.item_id for one in stored if one.content == content)


def in_local_trash(here: World) -> list[bytes]:
    root = here.base / ".boardsync-trash"
    return sorted(path.read_bytes() for path in root.rglob("*") if path.is_file())


def in_server_trash(here: World) -> list[bytes]:
    return sorted(stored.content for stored in here.server.in_the_trash())


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


class Killed(BaseException):
    """The process ends here."""


def kill_at(here: World, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End at the n-th of the steps that change anything: commits, and what a server does."""
    left = [number]

    def counted(step: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        async def stepping(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < int(not after):
                raise Killed
            result = await step(*arguments, **named)
            if left[0] < 1:
                raise Killed
            return result

        return stepping

    monkeypatch.setattr(here.state, "write", counted(here.state.write, after=False))
    for name in ("trash", "untrash"):
        step = counted(getattr(here.server, name), after=True)
        monkeypatch.setattr(here.server, name, step)


@pytest.mark.parametrize("number", range(1, 12))
@pytest.mark.parametrize("deleting", [False, True])
async def test_killed_anywhere_and_repeated_it_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, deleting: bool
) -> None:
    async with world(tmp_path, policies=TRASH) as here:
        here.server.add_board("board")
        here.clock.skip(APART)
        here.write("a.png", seed=1)
        here.write("b.png", seed=2)
        here.server.put(here.board().board_id, "x.png", picture(3), size=(24, 16))
        await here.look()
        undoing = [newest_run(here)]
        if deleting:
            (here.folder / "a.png").unlink()
            here.server.remove(item_of(here, picture(2)))
            await here.look()
            undoing = runs_after(here, undoing[0])
        with monkeypatch.context() as patched:
            kill_at(here, number, patched)
            for run in undoing:
                try:
                    await take_back(here, run)
                except Killed:
                    await asyncio.sleep(0.05)
        await here.restart()
        between = await here.look()
        assert (between.uploaded, between.downloaded, between.trashed) == (0, 0, 0)

        for run in undoing:
            await take_back(here, run)

        if deleting:
            assert (here.contents(), sorted(here.local().values())) == (
                sorted([picture(1), picture(3)]), sorted([picture(2), picture(3)]),
            )  # fmt: skip
        else:
            assert here.contents() == [picture(3)]
            assert here.local() == {"a.png": picture(1), "b.png": picture(2)}
        assert idle(await here.look())
        told = list_trash(here.assembly.settings, here.state)["trash"]
        assert len(told) == (0 if deleting else 3)
