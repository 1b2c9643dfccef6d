"""Files that go to another board's folder while not everything can be seen: no bytes travel."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest

from boardsync.engine import decide, reconcile
from boardsync.engine.decide import Plan
from boardsync.engine.passes import Look
from boardsync.engine.planning import plan_mirrors
from boardsync.errors import ServerBusy
from boardsync.model import ActionKind, Download, Item, Listing
from boardsync.servers.memory.server import MemoryServer
from boardsync.state import links, transfers
from engine.world import SkippingClock, World, picture, world


class Lister(MemoryServer):
    """busy: the boards that cannot be listed now. empty: those whose listing lacks everything.

    undescribed, unfetched: no item can be described, or fetched.
    """

    busy: frozenset[str | None] = frozenset()
    empty: frozenset[str | None] = frozenset()
    undescribed = False
    unfetched = False

    async def listing(self, board_id: str | None, known: str | None = None) -> Listing:
        if board_id in self.busy:
            raise ServerBusy(f"server {self.name}: too many requests")
        if board_id in self.empty:
            digest = hashlib.sha256(b"").hexdigest()
            return Listing(board_id, digest, None if known == digest else (), complete=True)
        return await super().listing(board_id, known)

    async def items(self, board_id: str | None, item_ids: Sequence[str]) -> list[Item]:
        if self.undescribed:
            raise ServerBusy(f"server {self.name}: too many requests")
        return await super().items(board_id, item_ids)

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        if self.unfetched:
            raise ServerBusy(f"server {self.name}: too many requests")
        return await super().download(item, sink)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    clock = SkippingClock()
    server = Lister("server", clock_ms=lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock, boards="by-subfolder") as made:
        made.write("dogs/a.png", seed=1)
        made.write("dogs/b.png", seed=2)
        made.write("cats/c.png", seed=3)
        await made.look()
        yield made


def lister(here: World) -> Lister:
    assert isinstance(here.server, Lister)
    return here.server


async def require_moved(here: World) -> None:
    here.server.calls.clear()
    for _ in range(3):
        await here.look()
    assert here.server.calls["upload"] == 0
    assert here.contents("dogs") == [picture(2)]
    assert here.contents("cats") == sorted([picture(1), picture(3)])
    assert await here.quiet()


async def test_it_waits_until_the_board_that_it_leaves_can_be_seen(here: World) -> None:
    lister(here).busy = frozenset({here.board("dogs").board_id})
    (here.folder / "dogs" / "a.png").rename(here.folder / "cats" / "a.png")
    await here.look()
    assert here.contents("cats") == [picture(3)]

    lister(here).busy = frozenset()
    await require_moved(here)


async def test_it_waits_when_only_the_new_name_was_told(here: World) -> None:
    (here.folder / "dogs" / "a.png").rename(here.folder / "cats" / "a.png")
    here.clock.skip(120.0)
    worker = here.assembly.workers["m"]
    for look in (Look(paths={b"cats/a.png"}), Look(cause="settled")):
        await worker.pass_now(look)
        here.clock.skip(120.0)

    await require_moved(here)


async def test_a_copy_that_goes_to_another_board_is_sent(here: World) -> None:
    here.write("cats/copy.png", seed=1)

    await here.look()

    assert here.contents("dogs") == sorted([picture(1), picture(2)])
    assert here.contents("cats") == sorted([picture(1), picture(3)])


async def test_a_board_that_was_deleted_holds_up_nothing_that_leaves_it(here: World) -> None:
    here.server.drop_board(here.board("dogs").board_id)
    (here.folder / "dogs" / "a.png").rename(here.folder / "cats" / "a.png")

    await here.look()
    await here.look()

    assert here.contents("cats") == sorted([picture(1), picture(3)])


async def test_a_wrong_listing_is_not_remembered(tmp_path: Path) -> None:
    clock = SkippingClock()
    server = Lister("server", clock_ms=lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock, direction="pull") as here:
        board = server.add_board("board").board_id
        item = server.put(board, "out.png", picture(1))
        server.undescribed = True
        await here.look(patience=0.0)
        server.undescribed, server.unfetched, server.empty = False, True, frozenset({board})
        await here.look(patience=0.0)
        server.remove(item)
        server.unfetched, server.empty = False, frozenset()

        for _ in range(3):
            await here.look()

        assert await here.quiet()
        assert (await plan_mirrors(here.assembly, []))["actions"] == []


async def test_a_copy_beside_the_moved_file_shares_the_item_that_moves(here: World) -> None:
    (here.folder / "dogs/a.png").rename(here.folder / "cats/a.png")
    here.write("cats/copy.png", seed=1)

    await require_moved(here)


async def test_a_copy_that_is_decided_about_while_the_item_moves_shares_it(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is made before the item is there, and recorded after."""
    decided, loop, move, moved = asyncio.Event(), asyncio.get_running_loop(), here.server.move, []

    async def slow(*asked: Any) -> Item:
        await asyncio.wait_for(decided.wait(), 10)
        return await move(*asked)

    def slower(*asked: Any) -> Plan:
        plan = decide.decide(*asked)
        if any(one.kind is ActionKind.UPLOAD for _, one in plan.actions):
            loop.call_soon_threadsafe(decided.set)
            moved.append(wait_for_link(here, b"cats/a.png"))
        return plan

    monkeypatch.setattr(here.server, "move", slow)
    monkeypatch.setattr(reconcile, "decide", SimpleNamespace(decide=slower))
    (here.folder / "dogs/a.png").rename(here.folder / "cats/a.png")
    here.write("cats/copy.png", seed=1)

    await require_moved(here)
    assert moved == [True]


def wait_for_link(here: World, path: bytes) -> bool:
    """Wait, in a thread, until a file is linked."""
    for _ in range(1000):
        with here.state.read() as connection:
            if links.of_path(connection, 1, path):
                return True
        time.sleep(0.01)
    return False


async def test_a_file_that_joins_its_copy_while_that_is_to_be_sent_ends_with_one_item(
    here: World,
) -> None:
    here.write("cats/copy.png", seed=1)
    here.clock.skip(120.0)
    # Planned, and not sent yet: nobody carries it.
    await here.assembly.workers["m"].pass_now(Look.everywhere("test"))
    with here.state.read() as connection:
        kinds = transfers.UPLOADS
        assert transfers.any_waiting(connection, here.assembly.mirrors[0].number, kinds)
    (here.folder / "dogs/a.png").rename(here.folder / "cats/a.png")
    for _ in range(4):
        await here.look()
    assert here.contents("cats") == sorted([picture(1), picture(3)])
    assert await here.quiet()
