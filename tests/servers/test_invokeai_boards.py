"""Boards: by id and by name, Uncategorized, and changes that are checked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from boardsync.errors import Ambiguous, BoardMissing, OutcomeUnknown, ServerFault, ServerRefused
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.boards import Visibility
from servers.fake_http import json_response
from servers.fake_invokeai import LOST, FakeInvokeAI, Fault, status
from servers.invokeai_kit import png


@pytest.fixture
async def fake() -> AsyncIterator[FakeInvokeAI]:
    async with FakeInvokeAI() as fake:
        yield fake


@pytest.fixture
async def client(fake: FakeInvokeAI) -> AsyncIterator[InvokeAIClient]:
    async with fake.client() as client:
        yield client


async def test_boards_are_listed_oldest_first_with_archived_ones(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    for name in ("first", "second", "third"):
        fake.store.add_board(name)
    second = list(fake.store.boards.values())[1]
    second.archived = True
    assert [board.name for board in await client.boards.list()] == ["first", "second", "third"]
    shown = await client.boards.list(archived=False)
    assert [board.name for board in shown] == ["first", "third"]


async def test_counts_tell_images_from_assets_and_leave_intermediates_out(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    for place in (board.board_id, None):
        fake.store.add_image(png(), place)
        fake.store.add_image(png(), place, category="user")
        fake.store.add_image(png(), place, category="mask")
        fake.store.add_image(png(), place, intermediate=True)
    uncategorized, shown = await client.boards.list(uncategorized=True)
    assert (shown.images, shown.assets) == (1, 2)
    assert (uncategorized.board_id, uncategorized.images, uncategorized.assets) == (None, 1, 2)
    assert await client.boards.show(None) == uncategorized


async def test_a_version_without_asset_counts_leaves_them_open() -> None:
    async with FakeInvokeAI("6.0.2") as fake, fake.client() as client:
        board = fake.store.add_board("one")
        fake.store.add_image(png(), board.board_id, category="user")
        shown = await client.boards.show(board.board_id)
        assert (shown.images, shown.assets, shown.visibility) == (1, None, None)


async def test_a_board_is_found_by_id_and_by_name(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("with / and \U0001f600")
    by_name = await client.boards.resolve("with / and \U0001f600")
    assert by_name.board_id == board.board_id
    assert by_name == await client.boards.resolve(board.board_id)
    assert (await client.boards.show(board.board_id)).name == by_name.name


async def test_an_archived_board_is_found_so_that_nobody_makes_a_second_one(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.store.add_board("old").archived = True
    assert (await client.boards.resolve("old")).archived


async def test_none_is_uncategorized_and_a_board_of_that_name_goes_by_its_id(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("none")
    assert (await client.boards.resolve("none")).board_id is None
    assert (await client.boards.resolve(board.board_id)).name == "none"


async def test_an_id_wins_over_a_name(client: InvokeAIClient, fake: FakeInvokeAI) -> None:
    board = fake.store.add_board("one")
    fake.store.add_board(board.board_id)
    assert (await client.boards.resolve(board.board_id)).name == "one"


async def test_a_name_that_several_boards_share_lists_their_ids(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    twins = [fake.store.add_board("twin") for _ in range(2)]
    fake.store.add_image(png(), twins[0].board_id)
    with pytest.raises(Ambiguous) as caught:
        await client.boards.resolve("twin")
    for twin, line in zip(twins, caught.value.candidates, strict=True):
        assert twin.board_id in line
    assert "1 images, 0 assets" in caught.value.candidates[0]


async def test_an_unknown_name_suggests_the_nearest(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.store.add_board("holidays")
    with pytest.raises(BoardMissing, match="'holidays'"):
        await client.boards.resolve("holiday")


@pytest.mark.parametrize("board_id", ["nope", "none", "..", "a/b", ""])
async def test_a_board_that_does_not_exist_is_missing(
    client: InvokeAIClient, board_id: str
) -> None:
    with pytest.raises(BoardMissing):
        await client.boards.show(board_id)


async def test_a_board_is_created_with_exactly_its_name(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    name = " spaces & = ? # / ü \U0001f600\n"
    created = await client.boards.create(name)
    assert created.board.name == name
    assert [board.name for board in fake.store.boards.values()] == [name]


@pytest.mark.parametrize("name", ["", "  ", "x" * 301, "half \ud800"])
async def test_an_unusable_name_is_refused_before_any_request(
    client: InvokeAIClient, fake: FakeInvokeAI, name: str
) -> None:
    with pytest.raises(ServerRefused):
        await client.boards.create(name)
    with pytest.raises(ServerRefused):
        await client.boards.rename("any", name)
    assert not fake.requests


async def test_an_answer_with_another_name_is_not_believed(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    record = {"board_id": "b1", "board_name": "other"}
    fake.inject("create_board", Fault(answer=json_response(record, 201)))
    with pytest.raises(ServerFault, match="'other'"):
        await client.boards.create("one")


async def test_a_private_board_is_really_private_where_that_exists(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    created = await client.boards.create("one", private=True)
    assert created.board.visibility == "private"
    assert "no accounts" in created.remarks[0]


async def test_privacy_that_a_server_lacks_is_said_and_not_pretended() -> None:
    async with FakeInvokeAI("6.12.0") as fake, fake.client() as client:
        created = await client.boards.create("one", private=True)
        assert created.board.visibility is None
        assert "6.13" in created.remarks[0]
        with pytest.raises(ServerRefused, match=r"6\.13"):
            await client.boards.set_visibility(created.board.board_id, Visibility.SHARED)


async def test_visibility_is_set_when_a_board_is_made_and_later(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    created = await client.boards.create("one", visibility=Visibility.SHARED)
    assert created.board.visibility == "shared"
    changed = await client.boards.set_visibility(created.board.board_id, Visibility.PUBLIC)
    assert changed.visibility == "public"


async def test_a_board_is_renamed_archived_and_brought_back(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board_id = fake.store.add_board("one").board_id
    assert (await client.boards.rename(board_id, "two")).name == "two"
    assert (await client.boards.archive(board_id)).archived is True
    assert (await client.boards.archive(board_id, archived=False)).archived is False


async def test_a_change_that_did_not_take_is_a_fault(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    record = {"board_id": board.board_id, "board_name": "one", "archived": False}
    unchanged = Fault(answer=json_response(record, 201))
    fake.inject("update_board", unchanged, unchanged)
    with pytest.raises(ServerFault, match="'two'"):
        await client.boards.rename(board.board_id, "two")
    with pytest.raises(ServerFault, match="archived"):
        await client.boards.archive(board.board_id)


async def test_changing_a_missing_board_says_so(client: InvokeAIClient) -> None:
    with pytest.raises(BoardMissing):
        await client.boards.rename("nope", "two")
    with pytest.raises(BoardMissing):
        await client.boards.delete("nope")


@pytest.mark.parametrize("board_id", [None, "none"])
async def test_uncategorized_is_protected_before_any_request(
    client: InvokeAIClient, fake: FakeInvokeAI, board_id: str | None
) -> None:
    with pytest.raises(ServerRefused, match="cannot be deleted"):
        await client.boards.delete(board_id, with_images=True)
    with pytest.raises(ServerRefused, match="cannot be renamed"):
        await client.boards.rename(board_id, "x")
    with pytest.raises(ServerRefused, match="cannot be archived"):
        await client.boards.archive(board_id)
    with pytest.raises(ServerRefused):
        await client.boards.set_visibility(board_id, Visibility.PUBLIC)
    assert not fake.requests


async def test_deleting_a_board_keeps_its_images_unless_told_otherwise(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    image = fake.store.add_image(png(), board.board_id)
    deleted = await client.boards.delete(board.board_id)
    assert (deleted.released, deleted.deleted) == ((image.name,), ())
    assert fake.store.images[image.name].board_id is None


async def test_deleting_a_board_with_its_images_deletes_both(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    image = fake.store.add_image(png(), board.board_id)
    deleted = await client.boards.delete(board.board_id, with_images=True)
    assert (deleted.released, deleted.deleted) == ((), (image.name,))
    assert not fake.store.images


async def test_a_board_that_is_still_there_was_not_deleted(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    claim = {"board_id": board.board_id, "deleted_board_images": [], "deleted_images": []}
    fake.inject("delete_board", Fault(answer=json_response(claim)))
    with pytest.raises(ServerFault, match="still there"):
        await client.boards.delete(board.board_id)


async def test_a_lost_answer_to_a_deletion_is_unknown(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    fake.inject("delete_board", LOST)
    with pytest.raises(OutcomeUnknown):
        await client.boards.delete(board.board_id)


@pytest.mark.parametrize("value", [{"total": "many"}, {}, []])
async def test_counts_that_are_no_numbers_are_a_fault(
    client: InvokeAIClient, fake: FakeInvokeAI, value: object
) -> None:
    fake.inject("images", Fault(answer=json_response(value)), times=2)
    with pytest.raises(ServerFault):
        await client.boards.show(None)


async def test_a_failing_server_is_a_fault_for_reads(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.inject("boards", status(500, "database is locked"))
    with pytest.raises(ServerFault, match="database is locked"):
        await client.boards.list()
