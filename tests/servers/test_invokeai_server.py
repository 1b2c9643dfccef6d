"""The port on InvokeAI: listings that can be trusted, records, marks, look-ups, ghosts."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from boardsync.errors import (
    BoardMissing,
    BoardsyncError,
    Bug,
    FileChanging,
    ItemMissing,
    NotAuthorised,
    OutcomeUnknown,
    ServerFault,
    ServerRefused,
)
from boardsync.model import Entry, Outcome
from boardsync.plan.tokens import token_for
from boardsync.servers.invokeai import InvokeAIServer
from boardsync.servers.invokeai.mark import metadata_with_mark
from boardsync.servers.port import Server
from servers.fake_http import Response, json_response
from servers.fake_invokeai import LOST, WEB_PAGE, FakeInvokeAI, Fault, status
from servers.invokeai_kit import mark_for, noisy_png, on_fake, png, upload_of

ACCOUNT = {"ann@studio.lan": "correct horse"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeInvokeAI]:
    async with FakeInvokeAI() as fake:
        yield fake


@pytest.fixture
async def server(fake: FakeInvokeAI) -> AsyncIterator[InvokeAIServer]:
    server = fake.server()
    yield server
    await server.aclose()


def marked(fake: FakeInvokeAI, number: int, board_id: str | None, mirror: str = "holiday") -> str:
    """Store an upload that carries a mark; return its name."""
    mark = mark_for(number.to_bytes(4, "big"), mirror)
    metadata = metadata_with_mark(None, mark)
    image = fake.store.add_image(
        png(), board_id, category="user", origin="external", metadata=metadata
    )
    return image.name


def test_the_adapter_is_a_server(fake: FakeInvokeAI) -> None:
    server: Server = fake.server("studio")
    assert server.name == "studio"
    assert server.capabilities.kind == "invokeai"
    assert server.capabilities.batch == 1


@pytest.mark.parametrize(("version", "at_once"), [("6.14.2", 2), ("6.13.8", 1), ("5.15.0", 1)])
async def test_a_version_that_stands_still_gets_one_upload_at_a_time(
    version: str, at_once: int
) -> None:
    async with on_fake(version) as (server, _):
        await server.probe()
        assert server.capabilities.uploads_at_once == at_once


async def test_boards_are_made_listed_and_described(server: InvokeAIServer) -> None:
    made = await server.create_board("one")
    assert await server.boards() == [replace(made, owner="System")]
    assert await server.board(made.board_id) == made
    assert (await server.board(None)).board_id is None


async def test_a_board_whose_answer_was_lost_is_unknown(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    fake.inject("create_board", LOST)
    with pytest.raises(OutcomeUnknown):
        await server.create_board("one")
    assert [board.name for board in await server.boards()] == ["one"]


async def test_a_listing_holds_names_without_intermediates(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    names = [fake.store.add_image(png(), board.board_id).name for _ in range(3)]
    fake.store.add_image(png(), board.board_id, intermediate=True)
    loose = fake.store.add_image(png())
    listing = await server.listing(board.board_id)
    assert listing.entries == tuple(Entry(name) for name in names)
    assert (listing.board_id, listing.complete) == (board.board_id, True)
    assert (await server.listing(None)).entries == (Entry(loose.name),)


async def test_an_unchanged_listing_is_known_by_its_body(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    names = [fake.store.add_image(png(), board.board_id).name for _ in range(2)]
    first = await server.listing(board.board_id)
    body = json.dumps(names).encode()
    assert first.digest == hashlib.sha256(body).hexdigest()
    assert (await server.listing(board.board_id, first.digest)).entries is None
    fake.store.delete_image(names[0])
    again = await server.listing(board.board_id, first.digest)
    assert again.entries == (Entry(names[1]),)
    assert fake.requests["board"] == 0


@pytest.mark.parametrize("version", ["6.8.1", "6.14.2"])
async def test_a_missing_board_is_missing_on_every_version(version: str) -> None:
    async with on_fake(version) as (server, fake):
        with pytest.raises(BoardMissing):
            await server.listing("nope")
        board = fake.store.add_board("one")
        empty = await server.listing(board.board_id)
        assert empty.entries == ()
        fake.store.delete_board(board.board_id)
        with pytest.raises(BoardMissing):
            await server.listing(board.board_id, empty.digest)


async def test_an_empty_listing_counts_only_after_the_board_was_seen(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    first = await server.listing(board.board_id)
    assert first.entries == ()
    assert (await server.listing(board.board_id, first.digest)).entries is None
    assert fake.requests["board"] == 2
    fake.inject("board", status(500))
    with pytest.raises(ServerFault):
        await server.listing(board.board_id)


async def test_a_404_for_a_listing_is_not_believed_while_the_board_is_there(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    fake.inject("board_names", status(404, "Board not found"))
    with pytest.raises(ServerFault, match="although the board is there"):
        await server.listing(board.board_id)


@pytest.mark.parametrize(
    "answer",
    [
        json_response({}),
        json_response(None),
        json_response([1, 2]),
        json_response([""]),
        Response(200, b'["a.png", '),
        Response(200, b""),
        Response(200, b"[]", "text/plain"),
        Response(204, b""),
    ],
)
async def test_a_listing_that_is_no_list_of_names_is_a_fault(
    server: InvokeAIServer, fake: FakeInvokeAI, answer: Response
) -> None:
    board = fake.store.add_board("one")
    fake.inject("board_names", Fault(answer=answer))
    with pytest.raises(ServerFault):
        await server.listing(board.board_id)


async def test_a_web_page_is_no_listing(server: InvokeAIServer, fake: FakeInvokeAI) -> None:
    board = fake.store.add_board("one")
    fake.inject("board_names", WEB_PAGE)
    with pytest.raises(ServerFault, match="web page"):
        await server.listing(board.board_id)


async def test_uncategorized_that_lists_nothing_but_counts_something_is_a_fault(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    fake.store.add_image(png())
    fake.inject("board_names", Fault(answer=json_response([])))
    with pytest.raises(ServerFault, match=r"before 5\.13"):
        await server.listing(None)


async def test_an_empty_uncategorized_is_empty(server: InvokeAIServer) -> None:
    assert (await server.listing(None)).entries == ()


async def test_a_board_that_is_hidden_from_this_account_needs_a_person(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    fake.hidden_boards.add(board.board_id)
    with pytest.raises(NotAuthorised):
        await server.listing(board.board_id)
    with pytest.raises(NotAuthorised):
        await server.board(board.board_id)


async def test_items_tell_where_they_are_now(server: InvokeAIServer, fake: FakeInvokeAI) -> None:
    one, two = fake.store.add_board("one"), fake.store.add_board("two")
    image = fake.store.add_image(png(), one.board_id)
    fake.store.put(image, two.board_id)
    [item] = await server.items(one.board_id, [image.name, "gone.png"])
    assert item.board_id == two.board_id


@pytest.mark.parametrize("version", ["5.15.0", "6.0.2", "6.14.2"])
@pytest.mark.parametrize("count", [3, 40])
async def test_marks_are_read_for_few_and_for_many(version: str, count: int) -> None:
    async with on_fake(version) as (server, fake):
        board = fake.store.add_board("one")
        names = [marked(fake, number, board.board_id) for number in range(count)]
        plain = fake.store.add_image(png(), board.board_id, origin="external").name
        output = fake.store.add_image(png(), board.board_id).name
        marks = await server.marks(board.board_id, [*names, plain, output, "gone.png"])
        assert marks.keys() == {*names, plain, output}
        for number, name in enumerate(names):
            assert marks[name] == mark_for(number.to_bytes(4, "big"))
        assert marks[plain] is marks[output] is None


async def test_of_many_items_only_those_that_can_carry_a_mark_are_read(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    names = [fake.store.add_image(png(), board.board_id, origin="external").name for _ in range(30)]
    names += [fake.store.add_image(png(), board.board_id).name for _ in range(30)]
    names.append(marked(fake, 1, board.board_id))
    await server.marks(board.board_id, names)
    assert fake.requests["metadata"] == 1
    assert fake.requests["names"] == 1


async def test_what_was_described_just_now_is_not_described_again(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    names = [marked(fake, number, None) for number in range(3)]
    items = await server.items(None, names)
    before = fake.requests["records"]

    marks = await server.marks(None, names, items)

    assert (marks.keys(), fake.requests["records"]) == (set(names), before)


async def test_with_accounts_the_marks_of_others_on_a_shared_board_are_found() -> None:
    async with on_fake(accounts=ACCOUNT) as (server, fake):
        board = fake.store.add_board("shared")
        names = [marked(fake, number, board.board_id) for number in range(20)]
        moved = marked(fake, 99, None)
        marks = await server.marks(board.board_id, [*names, moved])
        assert all(marks.values())
        search = next(request for request in fake.log if request.path.endswith("/images/names"))
        assert search.param("board_id") == board.board_id


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "{}",
        '{"boardsync": 7}',
        '{"boardsync": {"v": 1}}',
        '{"boardsync": {"v": 99, "token": "bsk"}}',
        '{"note": "\\ud800 bsk"}',
    ],
)
async def test_foreign_metadata_is_no_mark_and_stops_nothing(
    server: InvokeAIServer, fake: FakeInvokeAI, metadata: str | None
) -> None:
    strange = fake.store.add_image(png(), origin="external", metadata=metadata).name
    ours = marked(fake, 1, None)
    marks = await server.marks(None, [strange, ours])
    assert marks == {strange: None, ours: mark_for((1).to_bytes(4, "big"))}


async def test_marks_of_images_that_vanish_while_they_are_read_are_left_out(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    name = marked(fake, 1, None)
    record = {"image_name": "gone.png", "image_origin": "external"}
    fake.inject("records", Fault(answer=json_response([record])))
    assert await server.marks(None, ["gone.png"]) == {}
    assert list(await server.marks(None, [name])) == [name]


@pytest.mark.parametrize("code", [403, 500])
async def test_marks_that_cannot_be_read_now_are_not_taken_for_none(
    server: InvokeAIServer, fake: FakeInvokeAI, code: int
) -> None:
    name = marked(fake, 1, None)
    fake.inject("metadata", status(code))
    with pytest.raises(BoardsyncError):
        await server.marks(None, [name])


async def test_a_token_is_found_on_every_board_oldest_first(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    first = marked(fake, 1, board.board_id)
    marked(fake, 2, board.board_id)
    copy = marked(fake, 1, None)
    token = mark_for((1).to_bytes(4, "big")).token
    assert [item.item_id for item in await server.find(token)] == [first, copy]
    assert await server.find(token_for("holiday", "0" * 64)) == []


async def test_outputs_that_carry_a_token_are_not_found(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    token = mark_for(b"x").token
    fake.store.add_image(png(), metadata=json.dumps({"source_token": token}))
    assert await server.find(token) == []


async def test_many_copies_of_a_token_are_all_found(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    names = [marked(fake, 1, None) for _ in range(130)]
    token = mark_for((1).to_bytes(4, "big")).token
    assert [item.item_id for item in await server.find(token)] == names


async def test_a_picture_comes_down_as_it_is_on_the_server(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    content = noisy_png()
    [result] = await server.upload(board.board_id, [upload_of(content)])
    assert result.outcome is Outcome.STORED
    assert result.item is not None
    sink = io.BytesIO()
    got = await server.download(result.item, sink)
    assert got.digest == hashlib.sha256(sink.getvalue()).hexdigest()
    assert (got.width, got.height) == (96, 96)
    assert await server.complete(result.item)


async def test_a_picture_that_is_being_written_is_not_complete(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    fake.torn_reads = 3
    [result] = await server.upload(None, [upload_of(noisy_png())])
    assert result.item is not None
    answers = [await server.complete(result.item) for _ in range(4)]
    assert answers == [False, False, False, True]


async def test_a_ghost_is_deleted(fake: FakeInvokeAI, server: InvokeAIServer) -> None:
    ghost = fake.store.add_ghost(None)
    await server.delete_ghost((await server.items(None, [ghost.name]))[0])
    assert not fake.store.images


async def test_a_ghost_that_became_whole_is_not_deleted(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    [result] = await server.upload(None, [upload_of(png())])
    assert result.item is not None
    with pytest.raises(FileChanging, match="became whole"):
        await server.delete_ghost(result.item)
    assert len(fake.store.images) == 1


async def test_a_ghost_that_is_gone_already_is_fine(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    ghost = fake.store.add_ghost(None)
    [item] = await server.items(None, [ghost.name])
    fake.store.delete_image(ghost.name)
    await server.delete_ghost(item)


async def test_a_ghost_is_not_deleted_while_nobody_can_look(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    ghost = fake.store.add_ghost(None)
    [item] = await server.items(None, [ghost.name])
    fake.inject("full", status(500))
    with pytest.raises(ServerFault):
        await server.delete_ghost(item)
    assert ghost.name in fake.store.images


async def test_a_ghost_that_stays_is_told(server: InvokeAIServer, fake: FakeInvokeAI) -> None:
    ghost = fake.store.add_ghost(None)
    [item] = await server.items(None, [ghost.name])
    fake.inject("delete_images", status(403, "not yours"))
    with pytest.raises(ServerRefused, match="not yours"):
        await server.delete_ghost(item)
    fake.inject("delete_images", status(503))
    with pytest.raises(OutcomeUnknown):
        await server.delete_ghost(item)


async def test_an_output_is_never_taken_for_a_ghost(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    output = fake.store.add_image(png())
    output.unwritten = -1
    [item] = await server.items(None, [output.name])
    with pytest.raises(Bug):
        await server.delete_ghost(item)
    assert output.name in fake.store.images


async def test_a_missing_item_cannot_be_fetched(server: InvokeAIServer, fake: FakeInvokeAI) -> None:
    image = fake.store.add_image(png())
    [item] = await server.items(None, [image.name])
    fake.store.delete_image(image.name)
    with pytest.raises(ItemMissing):
        await server.download(item, io.BytesIO())
