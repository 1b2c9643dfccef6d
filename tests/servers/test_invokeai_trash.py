"""The trash of InvokeAI: one board of our own, found by its name, and never mirrored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from boardsync.errors import (
    BoardMissing,
    OutcomeUnknown,
    ServerFault,
    ServerRefused,
)
from boardsync.model import Item
from boardsync.servers.invokeai import InvokeAIServer
from boardsync.servers.invokeai.boards import Boards
from boardsync.servers.invokeai.trash import NAME, TRUSTED_SECONDS, TrashBoard
from servers.fake_http import json_response
from servers.fake_invokeai import DROPPED, LOST, FakeInvokeAI, Fault
from servers.invokeai_kit import VERSIONS, image_on, on_fake, trash_boards

KEY = "0123abc"


@pytest.fixture
async def fake() -> AsyncIterator[FakeInvokeAI]:
    async with FakeInvokeAI() as fake:
        yield fake


@pytest.fixture
async def server(fake: FakeInvokeAI) -> AsyncIterator[InvokeAIServer]:
    server = fake.server()
    yield server
    await server.aclose()


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_trash_works_on_every_version(version: str) -> None:
    async with on_fake(version) as (server, fake):
        board = fake.store.add_board("one")
        image, item = image_on(fake, board)
        assert await server.trash(item, KEY) == image.name
        [trash] = trash_boards(fake)
        assert image.board_id == trash.board_id
        assert (await server.untrash(image.name, board.board_id)).board_id == board.board_id
        assert (await server.move(item, None)).board_id is None
        assert (await server.untrash(image.name, None)).board_id is None
        await server.trash(Item(image.name, None), KEY)
        await server.purge(image.name)
        assert image.name not in fake.store.images


async def test_the_trash_is_made_once_when_it_is_first_needed(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    items = [image_on(fake, board)[1] for _ in range(6)]
    assert await server.in_trash(items[0].item_id) is None
    assert trash_boards(fake) == []
    await asyncio.gather(*(server.trash(item, KEY) for item in items))
    [trash] = trash_boards(fake)
    assert set(trash.names) == {item.item_id for item in items}
    assert fake.requests["create_board"] == 1


async def test_removing_many_images_does_not_list_the_boards_each_time(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    items = [image_on(fake, board)[1] for _ in range(10)]
    await server.trash(items[0], KEY)
    fake.requests.clear()
    for item in items[1:]:
        await server.trash(item, KEY)
    assert fake.requests == {"image": 18, "move_many": 9}


async def test_the_trash_is_no_board_of_the_servers(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    _, item = image_on(fake, board)
    await server.trash(item, KEY)
    assert [one.name for one in await server.boards()] == ["one"]
    assert [one.name for one in await server.client.boards.list()] == ["one", NAME]
    for asking in (server.create_board(NAME), server.rename_board(board.board_id, NAME)):
        with pytest.raises(ServerRefused, match="choose another name"):
            await asking
    with pytest.raises(BoardMissing, match="the trash"):
        await server.rename_board(trash_boards(fake)[0].board_id, "two")


async def test_of_several_trash_boards_the_oldest_is_used_and_all_are_trash(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board, oldest, younger = (fake.store.add_board(name) for name in ("one", NAME, NAME))
    image, item = image_on(fake, board)
    other, _ = image_on(fake, younger)
    await server.trash(item, KEY)
    assert image.board_id == oldest.board_id
    lying = await server.in_trash(other.name)
    assert lying is not None
    assert lying.board_id == younger.board_id
    assert [one.name for one in await server.boards()] == ["one"]


async def test_another_daemons_trash_is_known_at_once(fake: FakeInvokeAI) -> None:
    board = fake.store.add_board("one")
    one, other = fake.server("one"), fake.server("other")
    image, item = image_on(fake, board)
    assert await other.boards() != []
    await one.trash(item, KEY)
    [seen] = await other.items(board.board_id, [image.name])
    assert (seen.trashed, await other.in_trash(image.name)) == (True, seen)
    assert await other.trash(item, KEY) == image.name
    assert len(trash_boards(fake)) == 1
    for server in (one, other):
        await server.aclose()


async def test_a_trash_that_somebody_deleted_is_made_anew(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    (first, one), (second, two) = image_on(fake, board), image_on(fake, board)
    await server.trash(one, KEY)
    fake.store.delete_board(trash_boards(fake)[0].board_id)
    assert first.board_id is None
    assert await server.in_trash(first.name) is None
    await server.trash(two, KEY)
    [trash] = trash_boards(fake)
    assert second.board_id == trash.board_id


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_trash_that_vanishes_just_before_the_move_is_made_anew(version: str) -> None:
    async with on_fake(version) as (server, fake):
        board = fake.store.add_board("one")
        (_, one), (second, two) = image_on(fake, board), image_on(fake, board)
        await server.trash(one, KEY)
        fake.store.delete_board(trash_boards(fake)[0].board_id)
        await server.trash(two, KEY)
        [trash] = trash_boards(fake)
        assert second.board_id == trash.board_id


async def test_a_trash_that_a_person_renames_is_their_board_after_a_while(
    fake: FakeInvokeAI,
) -> None:
    async with fake.client() as client:
        now = 0.0
        trash = TrashBoard(client.boards, lambda: now)
        board_id = await trash.home()
        fake.store.boards[board_id].name = "keep these"
        assert await trash.holds(board_id)
        now = TRUSTED_SECONDS + 1
        assert not await trash.holds(board_id)
        assert await trash.home() != board_id


async def test_a_lost_answer_does_not_make_a_second_trash(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    image, item = image_on(fake, fake.store.add_board("one"))
    fake.inject("create_board", LOST)
    await server.trash(item, KEY)
    assert [board.board_id for board in trash_boards(fake)] == [image.board_id]


async def test_without_a_trash_nothing_is_removed(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    image, item = image_on(fake, board)
    fake.inject("create_board", DROPPED)
    with pytest.raises(OutcomeUnknown):
        await server.trash(item, KEY)
    assert image.board_id == board.board_id


async def test_a_trash_that_is_made_but_not_listed_is_a_fault(fake: FakeInvokeAI) -> None:
    async with fake.client() as client:
        none_yet = json_response([])
        fake.inject("boards", Fault(answer=none_yet), times=2)
        with pytest.raises(ServerFault, match="does not list it"):
            await TrashBoard(client.boards).home()


async def test_each_account_has_a_trash_of_its_own() -> None:
    accounts = {"ann@studio.lan": "one", "bob@studio.lan": "two"}
    async with FakeInvokeAI(accounts=accounts) as fake:
        servers = [
            fake.server(email, email=email, password=word) for email, word in accounts.items()
        ]
        for server in servers:
            made = await server.create_board("hers or his")
            _, item = image_on(fake, fake.store.boards[str(made.board_id)])
            await server.trash(item, KEY)
            assert await server.in_trash(item.item_id) is not None
        owners = [board.user_id for board in trash_boards(fake)]
        assert owners == ["user of ann@studio.lan", "user of bob@studio.lan"]
        for server in servers:
            assert NAME not in {board.name for board in await server.boards()}
            await server.aclose()


async def test_an_administrator_does_not_take_anothers_board_for_their_own(
    fake: FakeInvokeAI,
) -> None:
    board = fake.store.add_board("anothers", "user of bob@studio.lan")
    async with fake.client() as client:
        boards: Boards = client.boards
        assert await boards.is_own(board.board_id)
        client.transport.login.user_id = "user of ann@studio.lan"
        assert not await boards.is_own(board.board_id)
        with pytest.raises(BoardMissing):
            await boards.is_own("nope")


async def test_stars_and_marks_travel_to_the_trash_and_back(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    image, item = image_on(fake, board)
    image.starred = True
    await server.trash(item, KEY)
    assert await server.starred(board.board_id) == set()
    back = await server.untrash(image.name, board.board_id)
    assert back.starred
    assert await server.starred(board.board_id) == {image.name}
