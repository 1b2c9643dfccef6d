"""What is found on a board while our own removal takes it away: found by the simulation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine.passes import Look
from boardsync.engine.push import Pusher
from boardsync.engine.remove import Remover
from boardsync.engine.report import history
from boardsync.engine.undo import undo
from boardsync.errors import OutcomeUnknown
from boardsync.model import ActionKind, Item
from boardsync.state import transfers
from boardsync.state.records import TransferRecord
from engine.world import World, picture, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """A copy is to be sent, whose first answer was lost; the old picture's item is to go."""
    async with world(tmp_path, policies={"same_picture": "each"}) as made:
        made.write("a.png", seed=1)
        await made.look()
        made.write("copy.png", seed=1)
        made.server.faults.lost_uploads = 1
        await made.look(patience=0.0)
        await replace_a(made)
        yield made


async def replace_a(here: World) -> None:
    """Send new content of a.png; the removal of its old item is planned."""
    here.write("a.png", seed=2)
    here.clock.skip(120.0)
    worker = here.assembly.workers["m"]
    await worker.pass_now(Look.everywhere("test"))
    await Pusher(worker.mirror).carry([only(here, ActionKind.UPLOAD, b"a.png")])
    await worker.pass_now(Look.everywhere("test"))


def only(here: World, kind: ActionKind, path: bytes | None = None) -> TransferRecord:
    """Return the one transfer of a kind, or that of a path, that waits."""
    with here.state.read() as connection:
        waiting = transfers.waiting(connection, [here.assembly.mirrors[0].number])
    [found] = [one for one in waiting if one.kind is kind and path in (None, one.path)]
    return found


async def remove_now(here: World) -> None:
    await Remover(here.assembly.mirrors[0]).trash_item(only(here, ActionKind.TRASH_ITEM))


async def test_what_is_removed_while_it_is_looked_up_is_sent_anew(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete, removed = here.server.complete, []

    async def removed_meanwhile(item: Item) -> bool:
        whole = await complete(item)
        if not removed:
            removed.append(item)
            await remove_now(here)
        return whole

    monkeypatch.setattr(here.server, "complete", removed_meanwhile)
    for _ in range(3):
        await here.look(patience=90.0)

    assert removed
    assert here.contents() == sorted([picture(1), picture(2)])
    assert await here.quiet()


async def test_what_is_linked_while_its_removal_asks_for_it_stays(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks, before = here.server.marks, here.items()
    assert len(before) == 2

    async def linked_meanwhile(*arguments: object) -> object:
        found = await marks(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(here.server, "marks", marks)
        await Pusher(here.assembly.mirrors[0]).carry([only(here, ActionKind.UPLOAD)])
        return found

    monkeypatch.setattr(here.server, "marks", linked_meanwhile)
    await remove_now(here)
    for _ in range(2):
        await here.look()

    assert here.items() == before
    assert await here.quiet()


async def test_a_copy_waits_for_a_removal_that_takes_long_without_asking_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> str:
        raise OutcomeUnknown("the answer was lost")

    hints: list[str] = []
    async with world(tmp_path) as here:
        here.write("a.png", seed=1)
        await here.look()
        await replace_a(here)
        worker, removal = here.assembly.workers["m"], only(here, ActionKind.TRASH_ITEM)
        with monkeypatch.context() as patch:
            patch.setattr(here.server, "trash", lost)
            await Remover(worker.mirror).trash_item(removal)
        here.write("copy.png", seed=1)
        here.clock.skip(120.0)
        worker.mirror.hints.boards = hints.append

        await worker.pass_now(Look.everywhere("test"))
        assert (hints, worker.mirror.awaited) == ([], {(removal.board, removal.item_id)})
        await Remover(worker.mirror).trash_item(only(here, ActionKind.TRASH_ITEM))

    assert hints == ["an item left that a file was to be linked to"]


@pytest.mark.parametrize("hidden", [False, True])
async def test_what_takes_the_place_of_a_deleted_file_ends_its_removal(
    tmp_path: Path, hidden: bool
) -> None:
    async with world(
        tmp_path, policies={"file_deleted": "trash"}, guard={"enabled": False}
    ) as here:
        file = here.write("a.png", seed=1)
        here.write("b.png", seed=2)
        await here.look()
        worker = here.assembly.workers["m"]
        file.unlink()
        await worker.pass_now(Look.everywhere("test"))
        if hidden:
            (here.folder / ".boardsyncignore").write_text("a.png\n")
            here.write("a.png", seed=1)
        else:
            file.mkdir()
        here.clock.skip(120.0)
        await worker.pass_now(Look.everywhere("test"))

        await Remover(worker.mirror).trash_item(only(here, ActionKind.TRASH_ITEM))
        await worker.pass_now(Look.everywhere("test"))

        with here.state.read() as connection:
            assert transfers.waiting(connection, [worker.mirror.number]) == []
        assert len(here.items()) == 2


async def test_what_an_undo_takes_while_it_is_looked_up_is_not_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, policies={"same_picture": "each"}) as here:
        here.write("a.png", seed=1)
        await here.look()
        run = int(history(here.assembly.settings, here.state, limit=1)[0]["id"])
        here.write("copy.png", seed=1)
        here.server.faults.lost_uploads = 1
        await here.look(patience=0.0)
        trash = here.server.trash

        async def slow(item: Item, key: str) -> str:
            monkeypatch.setattr(here.server, "trash", trash)
            await Pusher(here.assembly.mirrors[0]).carry([only(here, ActionKind.UPLOAD)])
            return await trash(item, key)

        monkeypatch.setattr(here.server, "trash", slow)
        await undo(here.assembly, run)
        for _ in range(3):
            await here.look(patience=90.0)

        assert here.contents() == [picture(1)]
