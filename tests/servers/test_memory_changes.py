"""The memory server's moves and removals: other users' hands on them, and answers that get lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from boardsync.errors import Ambiguous, ItemMissing, OutcomeUnknown, ServerRefused
from boardsync.model import Board, Item
from boardsync.servers.memory import CAPABILITIES, NAMED, MemoryServer
from servers.contract import picture, stored, upload_of

KINDS = [CAPABILITIES, NAMED]
IDS = ["ids", "names"]
KEY = "removal"


@pytest.fixture(params=KINDS, ids=IDS)
def server(request: pytest.FixtureRequest) -> MemoryServer:
    return MemoryServer("memory", request.param)


@pytest.fixture
async def board(server: MemoryServer) -> Board:
    return await server.create_board("board")


@pytest.fixture
async def other(server: MemoryServer) -> Board:
    return await server.create_board("other")


@pytest.fixture
async def item(server: MemoryServer, board: Board) -> Item:
    [result] = await server.upload(board.board_id, [upload_of(picture(), "a.png")])
    return stored(result)


async def repeated(change: Callable[[], Awaitable[object]]) -> tuple[object, object]:
    """Make a change whose answer is lost, and look what its repeats say."""
    with pytest.raises(OutcomeUnknown):
        await change()
    return await change(), await change()


async def test_a_change_whose_answer_was_lost_happened_once_and_can_be_repeated(
    server: MemoryServer, board: Board, other: Board, item: Item
) -> None:
    server.faults.lost_changes = 1
    moved, again = await repeated(lambda: server.move(item, other.board_id))
    assert moved == again
    [there] = server.on_board(other.board_id)
    server.faults.lost_changes = 1
    trashed_id, same = await repeated(lambda: server.trash(there.item, KEY))
    assert trashed_id == same
    server.faults.lost_changes = 1
    back, again = await repeated(lambda: server.untrash(str(trashed_id), board.board_id))
    assert back == again == server.on_board(board.board_id)[0].item
    server.faults.lost_changes = 1
    renamed, again = await repeated(lambda: server.rename_board(board.board_id, "renamed"))
    assert renamed == again
    assert (len(server.on_board(other.board_id)), len(server.in_the_trash())) == (0, 0)


async def test_a_purge_whose_answer_was_lost_finds_nothing_any_more(
    server: MemoryServer, item: Item
) -> None:
    trashed_id = await server.trash(item, KEY)
    server.faults.lost_changes = 1
    with pytest.raises(OutcomeUnknown):
        await server.purge(trashed_id)
    with pytest.raises(ItemMissing):
        await server.purge(trashed_id)


async def test_a_change_that_got_lost_did_not_happen(
    server: MemoryServer, board: Board, item: Item
) -> None:
    server.faults.dropped_changes = 2
    for asking in (server.trash(item, KEY), server.rename_board(board.board_id, "renamed")):
        with pytest.raises(OutcomeUnknown):
            await asking
    assert [one.item for one in server.on_board(board.board_id)] == [item]
    assert [one.name for one in await server.boards()] == ["board"]


async def test_other_users_move_items_and_take_them_out_of_the_trash(
    server: MemoryServer, board: Board, other: Board, item: Item
) -> None:
    moved = server.relocate(item, other.board_id)
    assert [one.item for one in server.on_board(other.board_id)] == [moved]
    trashed_id = await server.trash(moved, KEY)
    [lying] = server.in_the_trash()
    assert (lying.item.item_id, lying.item.trashed) == (trashed_id, True)
    back = server.relocate(lying.item, board.board_id, "mine.png")
    assert not back.trashed
    assert await server.in_trash(trashed_id) is None


async def test_other_users_empty_the_trash(server: MemoryServer, item: Item) -> None:
    trashed_id = await server.trash(item, KEY)
    server.remove(server.in_the_trash()[0].item)
    assert await server.in_trash(trashed_id) is None
    with pytest.raises(ItemMissing):
        await server.trash(item, KEY)


async def test_other_users_rename_boards(server: MemoryServer, board: Board, item: Item) -> None:
    renamed = server.call_board(board.board_id, "theirs")
    assert [one.name for one in await server.boards()] == ["theirs"]
    [there] = server.on_board(renamed.board_id)
    assert (there.item.item_id, there.mark) == (item.item_id, upload_of(picture()).mark)


async def test_without_the_capability_there_is_no_trash() -> None:
    server = MemoryServer("memory", replace(CAPABILITIES, trash=False))
    item = server.put((await server.create_board("board")).board_id, "a.png", picture())
    with pytest.raises(ServerRefused, match="no trash"):
        await server.trash(item, KEY)


async def test_a_name_on_two_boards_is_told_apart_by_its_item() -> None:
    server = MemoryServer("memory", NAMED)
    items = [
        server.put(server.add_board(name).board_id, "a.png", picture(number))
        for number, name in enumerate(("one", "two"))
    ]
    with pytest.raises(Ambiguous):
        server.remove("a.png")
    server.remove(items[0])
    server.remove("a.png")
    assert server.on_board("one") + server.on_board("two") == []


async def test_names_that_another_user_takes_get_numbers_and_folders_stay() -> None:
    server = MemoryServer("memory", NAMED)
    board = server.add_board("board")
    names = [server.put("board", "sub/a.png", picture(n)).item_id for n in range(3)]
    assert names == ["sub/a.png", "sub/a (2).png", "sub/a (3).png"]
    assert server.add_board("board") == board


async def test_a_version_is_never_used_twice() -> None:
    server = MemoryServer("memory", NAMED)
    server.add_board("board")
    versions = []
    for number in range(3):
        item = server.put("board", "a.png", picture(number))
        versions += [item.version, server.replace(item, picture(number + 10)).version]
        server.remove("a.png")
    assert len(set(versions)) == 6


async def test_nothing_can_be_searched_or_starred_where_names_are_kept() -> None:
    server = MemoryServer("memory", NAMED)
    server.add_board("board")
    for asking in (server.matching("board", "term"), server.starred("board")):
        with pytest.raises(ServerRefused):
            await asking


async def test_the_same_history_gives_the_same_server(server: MemoryServer) -> None:
    async def history(server: MemoryServer) -> list[object]:
        boards = [(await server.create_board(name)).board_id for name in ("one", "two")]
        items = [server.put(boards[0], f"{n}.png", picture(n)) for n in range(4)]
        moved = await server.move(items[0], boards[1])
        trashed = [await server.trash(one, f"key-{one.item_id[0]}") for one in items[1:3]]
        await server.untrash(trashed[0], boards[1], "back.png")
        server.remove(moved)
        listings = [await server.listing(board) for board in boards]
        return [*listings, *server.in_the_trash()]

    again = MemoryServer("memory", server.capabilities)
    assert await history(server) == await history(again)
