"""The memory server keeps the contract, alone and in its wrappers; and its faults strike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from boardsync.errors import (
    BoardMissing,
    FileChanging,
    OutcomeUnknown,
    ServerBusy,
    ServerUnreachable,
)
from boardsync.formats.whole import check
from boardsync.model import Board, Category, Item, Outcome, Upload
from boardsync.servers.memory import CAPABILITIES, NAMED, MemoryServer
from boardsync.servers.port import BoardId
from boardsync.servers.wrappers import Pauses, Policy, compose
from servers.contract import SIZE, Kind, ServerContract, picture, stored, upload_of
from servers.meters import Meters

MUTABLE = replace(CAPABILITIES, mutable=True)


def refuses_text(upload: Upload) -> str | None:
    return None if check(upload.content).whole else "not a picture"


def memory_kind(server: MemoryServer) -> Kind:
    server.faults.refuses = refuses_text

    async def put(board_id: BoardId, name: str, content: bytes) -> str:
        return server.put(board_id, name, content, size=SIZE).item_id

    async def ghost(board_id: BoardId, upload: Upload) -> Item:
        server.faults.ghosts = 1
        [result] = await server.upload(board_id, [upload])
        assert result.outcome is Outcome.UNKNOWN
        [item] = await server.find(upload.mark.token)
        return item

    async def star(item_id: str, starred: bool) -> None:
        server.star(item_id, starred=starred)

    async def edit(item: Item, content: bytes) -> None:
        server.replace(item, content)

    like_invokeai = server.capabilities.categories
    return Kind(
        server,
        put,
        ghost,
        star if like_invokeai else None,
        edit if server.capabilities.mutable else None,
        searches=like_invokeai,
        stars=like_invokeai,
    )


class TestMemory(ServerContract):
    @pytest.fixture
    def kind(self) -> Kind:
        return memory_kind(MemoryServer("memory"))


class TestMemoryWithItemsThatChange(ServerContract):
    @pytest.fixture
    def kind(self) -> Kind:
        return memory_kind(MemoryServer("memory", MUTABLE))


class TestMemoryWithNames(ServerContract):
    @pytest.fixture
    def kind(self) -> Kind:
        return memory_kind(MemoryServer("memory", NAMED))


class TestMemoryComposed(ServerContract):
    @pytest.fixture
    def kind(self) -> Kind:
        inner = MemoryServer("memory")
        kind = memory_kind(inner)
        policy = Policy(pauses=Pauses(first=0.0, jitter=0.0))
        kind.server = compose(inner, policy, Meters())
        return kind


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer("memory", clock_ms=lambda: 1_700_000_000_000)


@pytest.fixture
async def board(server: MemoryServer) -> Board:
    return await server.create_board("board")


async def test_the_same_steps_give_the_same_server() -> None:
    async def steps() -> list[object]:
        server = MemoryServer("memory")
        board = await server.create_board("board")
        server.put(board.board_id, "a.png", picture(1))
        results = await server.upload(board.board_id, [upload_of(picture(2))])
        return [board, results, await server.listing(board.board_id)]

    assert await steps() == await steps()


async def test_an_item_of_another_user_carries_what_it_was_put_with(
    server: MemoryServer, board: Board
) -> None:
    item = server.put(board.board_id, "A.JPG", picture(), category=Category.CONTROL, size=(3, 4))
    assert (item.category, item.origin, item.extension) == ("control", "internal", ".jpg")
    assert (item.width, item.height, item.created_ms) == (3, 4, 1_700_000_000_000)


async def test_a_lost_answer_leaves_the_picture_stored(server: MemoryServer, board: Board) -> None:
    server.faults.lost_answers = 1
    upload = upload_of(picture())
    [lost] = await server.upload(board.board_id, [upload])
    assert (lost.outcome, lost.item) == (Outcome.UNKNOWN, None)
    assert len(await server.find(upload.mark.token)) == 1
    [next_one] = await server.upload(board.board_id, [upload_of(picture(2))])
    assert next_one.outcome is Outcome.STORED


async def test_a_lost_upload_leaves_nothing(server: MemoryServer, board: Board) -> None:
    server.faults.lost_uploads = 1
    upload = upload_of(picture())
    [lost] = await server.upload(board.board_id, [upload])
    assert lost.outcome is Outcome.UNKNOWN
    assert await server.find(upload.mark.token) == []


async def test_a_board_whose_answer_was_lost_is_there(server: MemoryServer) -> None:
    server.faults.lost_boards = 1
    with pytest.raises(OutcomeUnknown):
        await server.create_board("lost")
    assert [board.name for board in await server.boards()] == ["lost"]


async def test_an_unreachable_server_answers_nothing_until_it_is_back(
    server: MemoryServer, board: Board
) -> None:
    server.faults.unreachable = True
    with pytest.raises(ServerUnreachable):
        await server.listing(board.board_id)
    server.faults.unreachable = False
    assert (await server.listing(board.board_id)).complete


async def test_errors_strike_once_each(server: MemoryServer) -> None:
    server.faults.errors = [ServerBusy("wait", retry_after=7.0)]
    with pytest.raises(ServerBusy) as caught:
        await server.boards()
    assert caught.value.retry_after == 7.0
    assert await server.boards() == []


async def test_an_early_visible_item_is_listed_but_cannot_be_fetched_until_it_is_finished(
    server: MemoryServer, board: Board
) -> None:
    item = server.put(board.board_id, "early.png", picture(), whole=False)
    listing = await server.listing(board.board_id)
    assert listing.entries is not None
    assert [entry.item_id for entry in listing.entries] == [item.item_id]
    assert not await server.complete(item)
    server.finish(item.item_id)
    assert await server.complete(item)


async def test_a_finished_ghost_is_no_longer_deleted(server: MemoryServer, board: Board) -> None:
    server.faults.ghosts = 1
    upload = upload_of(picture())
    await server.upload(board.board_id, [upload])
    [ghost] = await server.find(upload.mark.token)
    server.finish(ghost.item_id)
    with pytest.raises(FileChanging):
        await server.delete_ghost(ghost)


async def test_a_listing_that_hides_items_says_that_it_is_incomplete(
    server: MemoryServer, board: Board
) -> None:
    hidden = server.put(board.board_id, "a.png", picture(1))
    seen = server.put(board.board_id, "b.png", picture(2))
    server.faults.hidden.add(hidden.item_id)
    listing = await server.listing(board.board_id)
    assert listing.entries is not None
    assert ([entry.item_id for entry in listing.entries], listing.complete) == (
        [seen.item_id],
        False,
    )


async def test_a_dropped_board_is_missing_with_its_items(
    server: MemoryServer, board: Board
) -> None:
    item = server.put(board.board_id, "a.png", picture())
    server.drop_board(board.board_id)
    with pytest.raises(BoardMissing):
        await server.listing(board.board_id)
    assert await server.items(board.board_id, [item.item_id]) == []


async def test_a_replaced_item_has_a_new_version_and_no_mark() -> None:
    server = MemoryServer("memory", MUTABLE)
    board = await server.create_board("board")
    [result] = await server.upload(board.board_id, [upload_of(picture(1))])
    old = stored(result)
    new = server.replace(old.item_id, picture(2))
    assert new.version != old.version
    assert await server.marks(board.board_id, [old.item_id]) == {old.item_id: None}


async def test_uncategorized_can_be_listed_where_there_are_categories(
    server: MemoryServer,
) -> None:
    item = server.put(None, "a.png", picture())
    listing = await server.listing(None)
    assert listing.entries is not None
    assert [entry.item_id for entry in listing.entries] == [item.item_id]


async def test_calls_are_counted(server: MemoryServer, board: Board) -> None:
    await server.listing(board.board_id)
    await server.listing(board.board_id)
    assert (server.calls["listing"], server.calls["create_board"]) == (2, 1)
