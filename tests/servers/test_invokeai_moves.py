"""Moves and purges on InvokeAI: what the server says is compared with what is there afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from boardsync.errors import (
    BoardMissing,
    ItemChanged,
    ItemMissing,
    OutcomeUnknown,
    ServerBusy,
    ServerRefused,
)
from boardsync.model import Item
from boardsync.servers.invokeai import InvokeAIServer
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


async def test_a_lost_answer_to_a_move_is_settled_by_looking(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    one, two = fake.store.add_board("one"), fake.store.add_board("two")
    image, item = image_on(fake, one)
    fake.inject("move_many", LOST)
    assert (await server.move(item, two.board_id)).board_id == two.board_id
    fake.inject("remove_many", LOST)
    assert (await server.move(Item(image.name, two.board_id), None)).board_id is None


@pytest.mark.parametrize("route", ["move_many", "remove_many"])
async def test_a_move_that_got_lost_is_unknown_and_can_be_repeated(
    server: InvokeAIServer, fake: FakeInvokeAI, route: str
) -> None:
    one, two = fake.store.add_board("one"), fake.store.add_board("two")
    image, item = image_on(fake, one)
    target = two.board_id if route == "move_many" else None
    fake.inject(route, DROPPED)
    with pytest.raises(OutcomeUnknown):
        await server.move(item, target)
    assert image.board_id == one.board_id
    assert (await server.move(item, target)).board_id == target


async def test_a_move_whose_look_afterwards_fails_is_unknown(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    one, two = fake.store.add_board("one"), fake.store.add_board("two")
    image, item = image_on(fake, one)
    seen = json_response(fake.routes.record(image))
    fake.inject("image", Fault(works=False, answer=seen), DROPPED, times=2)
    with pytest.raises(OutcomeUnknown, match="whether it was moved is open"):
        await server.move(item, two.board_id)
    assert (await server.move(item, two.board_id)).board_id == two.board_id


async def test_an_image_that_the_server_skips_in_silence_was_not_moved(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    one, two = fake.store.add_board("one"), fake.store.add_board("two")
    _, item = image_on(fake, one)
    nothing = {"added_images": [], "failed_images": [], "affected_boards": []}
    fake.inject("move_many", Fault(answer=json_response(nothing, 201)))
    with pytest.raises(ServerRefused, match="this account may not move it"):
        await server.move(item, two.board_id)


async def test_an_image_that_the_server_failed_to_move_is_tried_again(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    one, two = fake.store.add_board("one"), fake.store.add_board("two")
    image, item = image_on(fake, one)
    failed = {"added_images": [], "failed_images": [image.name], "affected_boards": []}
    fake.inject("move_many", Fault(answer=json_response(failed, 201)))
    with pytest.raises(OutcomeUnknown, match="failed to move it"):
        await server.move(item, two.board_id)


async def test_an_image_that_somebody_moved_on_at_once_is_not_called_moved(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    one, two = fake.store.add_board("one"), fake.store.add_board("two")
    image, item = image_on(fake, one)
    claim = {"added_images": [image.name], "failed_images": [], "affected_boards": []}
    fake.inject("move_many", Fault(answer=json_response(claim, 201)))
    with pytest.raises(ItemChanged, match="somebody moved it on"):
        await server.move(item, two.board_id)


@pytest.mark.parametrize("version", VERSIONS)
async def test_moving_to_a_board_that_is_gone_says_so_on_every_version(version: str) -> None:
    async with on_fake(version) as (server, fake):
        board = fake.store.add_board("one")
        image, item = image_on(fake, board)
        with pytest.raises(BoardMissing):
            await server.move(item, "nope")
        assert image.board_id == board.board_id


async def test_maintenance_moves_nothing_and_asks_to_wait(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    image, item = image_on(fake, board)
    fake.maintenance = True
    for asking in (server.trash(item, KEY), server.move(item, None)):
        with pytest.raises(ServerBusy):
            await asking
    assert image.board_id == board.board_id


async def test_an_image_on_another_board_than_was_seen_is_left_there(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    one, two, three = (fake.store.add_board(name) for name in ("one", "two", "three"))
    image, _ = image_on(fake, two)
    seen_before = Item(image.name, one.board_id)
    for asking in (server.trash(seen_before, KEY), server.move(seen_before, three.board_id)):
        with pytest.raises(ItemChanged, match=two.board_id):
            await asking
    assert image.board_id == two.board_id


async def test_what_a_person_took_out_of_the_trash_is_neither_purged_nor_put_back(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    one, two = fake.store.add_board("one"), fake.store.add_board("two")
    image, item = image_on(fake, one)
    await server.trash(item, KEY)
    fake.store.put(image, two.board_id)
    assert await server.in_trash(image.name) is None
    with pytest.raises(ServerRefused, match="not in the trash: it is kept"):
        await server.purge(image.name)
    with pytest.raises(ItemMissing, match="not in the trash"):
        await server.untrash(image.name, one.board_id)
    fake.store.put(image, None)
    with pytest.raises(ServerRefused, match="not in the trash: it is kept"):
        await server.purge(image.name)
    assert image.name in fake.store.images


async def test_a_purge_believes_nothing_that_was_seen_before(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    image, item = image_on(fake, fake.store.add_board("one"))
    await server.trash(item, KEY)
    trash_boards(fake)[0].name = "keep these"
    with pytest.raises(ServerRefused, match="not in the trash: it is kept"):
        await server.purge(image.name)
    assert image.name in fake.store.images


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_purge_whose_answer_was_lost_is_settled_by_looking(version: str) -> None:
    async with on_fake(version) as (server, fake):
        image, item = image_on(fake, fake.store.add_board("one"))
        await server.trash(item, KEY)
        fake.inject("delete_image", DROPPED, LOST)
        with pytest.raises(OutcomeUnknown):
            await server.purge(image.name)
        await server.purge(image.name)
        with pytest.raises(ItemMissing):
            await server.purge(image.name)


async def test_a_claim_to_have_purged_is_checked(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    image, item = image_on(fake, fake.store.add_board("one"))
    await server.trash(item, KEY)
    claim = {"deleted_images": [image.name], "affected_boards": []}
    fake.inject("delete_image", Fault(answer=json_response(claim)))
    with pytest.raises(ServerRefused, match="did not delete"):
        await server.purge(image.name)


async def test_a_purge_whose_look_afterwards_fails_is_unknown(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    image, item = image_on(fake, fake.store.add_board("one"))
    await server.trash(item, KEY)
    seen = json_response(fake.routes.record(image))
    fake.inject("image", Fault(works=False, answer=seen), DROPPED, times=2)
    with pytest.raises(OutcomeUnknown, match="whether it was deleted is open"):
        await server.purge(image.name)
