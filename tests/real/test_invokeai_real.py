"""The InvokeAI kind against a real server: the promises, and the traps that were measured."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from PIL import Image

from boardsync.errors import (
    Ambiguous,
    BoardMissing,
    FileChanging,
    ItemMissing,
    NotAuthorised,
    ServerRefused,
    ServerUnreachable,
)
from boardsync.model import Item, Outcome
from boardsync.servers.invokeai import InvokeAIServer
from boardsync.servers.invokeai.boards import Visibility
from boardsync.servers.invokeai.changes import Fate
from boardsync.servers.invokeai.images import Query
from boardsync.servers.invokeai.mark import parse_mark
from boardsync.servers.invokeai.upload import Picture
from real.invokeai_server import RealInvokeAI
from servers.invokeai_kit import noisy_png, on_real, png, upload_of

pytestmark = pytest.mark.real

EMAIL, PASSWORD = "ann@studio.lan", "correct horse 7 Battery"


@pytest.fixture
async def server(invokeai: RealInvokeAI) -> AsyncIterator[InvokeAIServer]:
    async with on_real(invokeai.url) as server:
        yield server


@pytest.fixture
async def board_id(server: InvokeAIServer) -> AsyncIterator[str]:
    board = await server.create_board("real board")
    assert board.board_id is not None
    yield board.board_id
    if board.board_id in {found.board_id for found in await server.boards()}:
        await server.client.boards.delete(board.board_id, with_images=True)


async def stored(server: InvokeAIServer, board_id: str | None, content: bytes) -> Item:
    [result] = await server.upload(board_id, [upload_of(content)])
    assert result.item is not None, result.error
    return result.item


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Ask again and again until a condition holds."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_a_probe_finds_the_version_and_nothing_to_remark(server: InvokeAIServer) -> None:
    info = await server.probe()
    assert (info.version, info.remarks) == ("6.14.2", ())


async def test_credentials_are_not_sent_to_a_server_without_accounts(
    invokeai: RealInvokeAI,
) -> None:
    async with on_real(invokeai.url, email=EMAIL, password=PASSWORD) as server:
        info = await server.probe()
        assert "not sent" in info.remarks[0]
        assert isinstance(await server.boards(), list)


async def test_a_board_lives_its_whole_life(server: InvokeAIServer) -> None:
    boards = server.client.boards
    created = await boards.create("one & ü/\U0001f600", private=True)
    board_id = created.board.board_id
    assert created.board.visibility == "private"
    assert "no accounts" in created.remarks[0]
    assert (await boards.rename(board_id, "two")).name == "two"
    assert (await boards.archive(board_id)).archived is True
    assert (await boards.resolve("two")).board_id == board_id
    assert (await boards.archive(board_id, archived=False)).archived is False
    assert (await boards.set_visibility(board_id, Visibility.SHARED)).visibility == "shared"
    item = await stored(server, board_id, png())
    deleted = await boards.delete(board_id)
    assert deleted.released == (item.item_id,)
    assert (await server.client.images.show(item.item_id)).board_id is None
    with pytest.raises(BoardMissing):
        await server.board(board_id)
    with pytest.raises(BoardMissing):
        await boards.delete(board_id)
    await server.client.images.delete([item.item_id])


async def test_boards_that_share_a_name_are_told_apart_by_id(server: InvokeAIServer) -> None:
    twins = [await server.create_board("twin") for _ in range(2)]
    with pytest.raises(Ambiguous) as caught:
        await server.client.boards.resolve("twin")
    assert [line.split()[0] for line in caught.value.candidates] == [b.board_id for b in twins]
    for twin in twins:
        await server.client.boards.delete(twin.board_id)


@pytest.mark.parametrize("board_id", ["nope", "..", "a b", "ü", "%2F"])
async def test_a_missing_board_is_missing_however_one_asks(
    server: InvokeAIServer, board_id: str
) -> None:
    with pytest.raises(BoardMissing):
        await server.board(board_id)
    with pytest.raises(BoardMissing):
        await server.listing(board_id)
    with pytest.raises(BoardMissing):
        await server.upload(board_id, [upload_of(png())])


async def test_an_upload_is_an_asset_that_carries_its_mark_inside_and_beside(
    server: InvokeAIServer, board_id: str
) -> None:
    upload = upload_of(png(texts={"invokeai_metadata": '{"positive_prompt": "Fluß"}'}))
    [result] = await server.upload(board_id, [upload])
    assert result.item is not None
    assert (result.item.category, result.item.origin) == ("user", "external")
    marks = await server.marks(board_id, [result.item.item_id])
    assert marks == {result.item.item_id: upload.mark}
    metadata = await server.client.images.metadata(result.item.item_id)
    assert metadata is not None
    assert metadata["positive_prompt"] == "Fluß"
    sink = io.BytesIO()
    await server.download(result.item, sink)
    with Image.open(sink) as picture:
        assert parse_mark(json.loads(picture.info["invokeai_metadata"])) == upload.mark
    assert [item.item_id for item in await server.find(upload.mark.token)] == [result.item.item_id]


async def test_hostile_metadata_in_a_picture_does_not_cost_the_mark(
    server: InvokeAIServer, board_id: str
) -> None:
    deep, number = "[" * 400 + "]" * 400, "9" * 4000
    hostile = f'{{"a": "\\ud800", "b": {deep}, "c": NaN, "d": {number}}}'
    upload = upload_of(png(texts={"invokeai_metadata": hostile}))
    [result] = await server.upload(board_id, [upload])
    assert result.item is not None
    assert (await server.marks(board_id, [result.item.item_id])) == {
        result.item.item_id: upload.mark
    }


async def test_metadata_that_the_server_cannot_read_is_no_mark(
    server: InvokeAIServer, board_id: str
) -> None:
    picture = Picture(png(), metadata='{"bsk": "\\ud800"}')
    item = await server.client.images.send(board_id, picture)
    with pytest.raises(ServerRefused, match="cannot read the metadata"):
        await server.client.images.metadata(item.item_id)
    assert await server.marks(board_id, [item.item_id]) == {item.item_id: None}


async def test_marks_of_many_are_found_by_search(server: InvokeAIServer, board_id: str) -> None:
    uploads = [upload_of(png((number, 0, 0))) for number in range(20)]
    names = []
    for upload in uploads:
        [result] = await server.upload(board_id, [upload])
        assert result.item is not None
        names.append(result.item.item_id)
    plain = await server.client.images.send(board_id, Picture(png()))
    marks = await server.marks(board_id, [*names, plain.item_id, "gone.png"])
    assert marks == dict(zip(names, (u.mark for u in uploads), strict=True)) | {plain.item_id: None}


async def test_a_listing_is_recognised_and_sees_every_change(
    server: InvokeAIServer, board_id: str
) -> None:
    empty = await server.listing(board_id)
    assert empty.entries == ()
    item = await stored(server, board_id, png())
    one = await server.listing(board_id, empty.digest)
    assert one.entries is not None
    assert [entry.item_id for entry in one.entries] == [item.item_id]
    assert (await server.listing(board_id, one.digest)).entries is None
    await server.client.images.remove([item.item_id])
    assert (await server.listing(board_id, one.digest)).entries == ()


async def test_an_output_is_pulled_whole_and_has_no_mark(
    server: InvokeAIServer, board_id: str, invokeai: RealInvokeAI
) -> None:
    name = await asyncio.to_thread(invokeai.generate, board_id, (80, 64))
    [item] = await server.items(board_id, [name])
    assert (item.origin, item.category, item.board_id) == ("internal", "general", board_id)
    got = await server.download(item, io.BytesIO())
    assert (got.width, got.height) == (80, 64)
    assert await server.marks(board_id, [name]) == {name: None}
    assert (await server.client.images.workflow(name)).graph is not None


@pytest.mark.parametrize("content", [b"", b"no picture", b"<svg/>"])
async def test_what_is_no_picture_is_refused(
    server: InvokeAIServer, board_id: str, content: bytes
) -> None:
    [result] = await server.upload(board_id, [replace(upload_of(png()), content=content)])
    assert result.outcome is Outcome.REFUSED


async def test_a_picture_of_another_size_than_said_is_taken_back(
    server: InvokeAIServer, board_id: str
) -> None:
    [result] = await server.upload(board_id, [replace(upload_of(png()), width=7)])
    assert result.outcome is Outcome.REFUSED
    assert (await server.listing(board_id)).entries == ()


async def test_a_truncated_picture_leaves_the_outcome_open_and_nothing_behind(
    server: InvokeAIServer, board_id: str
) -> None:
    broken = replace(upload_of(noisy_png()), content=noisy_png()[:9000])
    [result] = await server.upload(board_id, [broken])
    assert result.outcome is Outcome.UNKNOWN
    assert await server.find(broken.mark.token) == []


async def test_an_answer_that_comes_too_late_is_unknown_and_the_picture_is_found(
    invokeai: RealInvokeAI, server: InvokeAIServer, board_id: str
) -> None:
    upload = upload_of(noisy_png((1500, 1500)))
    async with on_real(invokeai.url, read_timeout=0.05) as hasty:
        [result] = await hasty.upload(board_id, [upload])
    assert result.outcome is Outcome.UNKNOWN

    async def found() -> bool:
        return len(await server.find(upload.mark.token)) == 1

    await until(found)
    [item] = await server.find(upload.mark.token)
    await until(lambda: server.complete(item))


async def test_what_is_still_being_written_is_never_taken_for_whole(
    server: InvokeAIServer, board_id: str
) -> None:
    content = noisy_png((1800, 1800))
    sending = asyncio.ensure_future(server.upload(board_id, [upload_of(content)]))
    pixels: set[bytes] = set()
    early = 0
    while not sending.done() or not pixels:
        for entry in (await server.listing(board_id)).entries or ():
            for item in await server.items(board_id, [entry.item_id]):
                sink = io.BytesIO()
                try:
                    await server.download(item, sink)
                except FileChanging:
                    early += 1
                    continue
                with Image.open(sink) as picture:
                    pixels.add(picture.tobytes())
    await sending
    with Image.open(io.BytesIO(content)) as picture:
        assert pixels == {picture.tobytes()}
    assert early > 0


async def test_images_are_resolved_changed_and_deleted_by_name(
    server: InvokeAIServer, board_id: str
) -> None:
    images = server.client.images
    item = await stored(server, board_id, png())
    stem = item.item_id.removesuffix(".png")
    for text in (item.item_id, stem, stem[:20]):
        assert (await images.resolve(text, board_id)).item_id == item.item_id
    with pytest.raises(ItemMissing, match=board_id):
        await images.resolve(item.item_id, None)
    [starred] = await images.star([stem])
    assert starred.fate is Fate.DONE
    page = await images.list(Query(board_id, stars_first=True))
    assert page.items[0].starred
    [unstarred] = await images.unstar([item.item_id])
    assert unstarred.fate is Fate.DONE
    assert await images.count(Query(board_id)) == page.total == 1
    results = await images.delete([item.item_id, "nope.png", stem[:9]])
    assert [result.fate for result in results] == [Fate.DONE, Fate.ABSENT, Fate.ABSENT]


async def test_images_move_between_boards(server: InvokeAIServer, board_id: str) -> None:
    item = await stored(server, None, png())
    [moved] = await server.client.images.move([item.item_id], board_id)
    assert moved.fate is Fate.DONE
    [removed] = await server.client.images.remove([item.item_id])
    assert removed.fate is Fate.DONE
    with pytest.raises(BoardMissing):
        await server.client.images.move([item.item_id], "nope")
    await server.client.images.delete([item.item_id])


async def test_a_thumbnail_is_small_and_whole(server: InvokeAIServer, board_id: str) -> None:
    item = await stored(server, board_id, noisy_png((512, 256)))
    got = await server.client.images.download(item, io.BytesIO(), thumbnail=True)
    assert (got.width, got.height, got.extension) == (256, 128, ".webp")


async def test_a_long_board_is_read_in_pieces(server: InvokeAIServer, board_id: str) -> None:
    names = [
        (await stored(server, board_id, png((n % 256, n // 256, 1)))).item_id for n in range(510)
    ]
    listing = await server.listing(board_id)
    assert listing.entries is not None
    assert {entry.item_id for entry in listing.entries} == set(names)
    assert len(await server.items(board_id, names * 3)) == 1530
    page = await server.client.images.list(Query(board_id, limit=None))
    assert [item.item_id for item in page.items] == names[::-1]
    results = await server.client.images.delete(names, board_id)
    assert {result.fate for result in results} == {Fate.DONE}


async def test_a_killed_server_leaves_a_torn_picture_that_is_known_as_such(
    invokeai: RealInvokeAI, server: InvokeAIServer, board_id: str
) -> None:
    upload = upload_of(noisy_png((2000, 2000)))
    sending = asyncio.ensure_future(server.upload(board_id, [upload]))

    async def visible() -> bool:
        return bool((await server.listing(board_id)).entries)

    await until(visible)
    invokeai.kill()
    [result] = await sending
    assert result.outcome is Outcome.UNKNOWN
    with pytest.raises(ServerUnreachable):
        await server.probe()
    await asyncio.to_thread(invokeai.start)
    [item] = await server.find(upload.mark.token)
    assert not await server.complete(item)
    assert not await server.complete(item, glance=True)
    await server.delete_ghost(item)
    assert await server.find(upload.mark.token) == []


async def test_a_restarted_server_is_found_again(
    invokeai: RealInvokeAI, server: InvokeAIServer, board_id: str
) -> None:
    item = await stored(server, board_id, png())
    await asyncio.to_thread(invokeai.restart)
    assert await server.complete(item)


async def test_accounts_are_signed_in_and_kept_apart(multiuser_invokeai: RealInvokeAI) -> None:
    url = multiuser_invokeai.url
    async with on_real(url) as nobody:
        with pytest.raises(NotAuthorised, match="no account yet"):
            await nobody.probe()
    multiuser_invokeai.set_up_admin(EMAIL, PASSWORD)
    async with on_real(url) as nobody:
        with pytest.raises(NotAuthorised, match="set its email and password"):
            await nobody.probe()
    async with on_real(url, email=EMAIL, password="guess") as guesser:
        with pytest.raises(NotAuthorised, match=EMAIL):
            await guesser.boards()
    async with on_real(url, email=EMAIL, password=PASSWORD) as ann:
        assert (await ann.probe()).remarks == ()
        created = await ann.client.boards.create("hers", visibility=Visibility.PRIVATE)
        assert created.remarks == ()
        item = await stored(ann, created.board.board_id, png())
        assert await ann.complete(item)
        await stranger_sees_nothing(multiuser_invokeai, str(created.board.board_id), item)


async def stranger_sees_nothing(server: RealInvokeAI, board_id: str, item: Item) -> None:
    """Let a second account without rights try everything."""
    login = {"email": EMAIL, "password": PASSWORD}
    token = str(server.request("POST", "/auth/login", login)["token"])
    account = {"email": "bob@studio.lan", "password": PASSWORD, "display_name": "Bob"}
    server.request("POST", "/auth/users", account | {"is_admin": False}, token)
    async with on_real(server.url, email=account["email"], password=PASSWORD) as bob:
        assert await bob.boards() == []
        for asking in (bob.board(board_id), bob.listing(board_id)):
            with pytest.raises(NotAuthorised):
                await asking
        with pytest.raises(NotAuthorised):
            await bob.upload(board_id, [upload_of(png())])
        assert await bob.items(board_id, [item.item_id]) == []
        [result] = await bob.client.images.delete([item.item_id])
        assert result.fate is Fate.REFUSED
