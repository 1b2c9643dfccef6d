"""Images: finding, listing, describing and fetching them."""

from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import AsyncIterator

import pytest

from boardsync.errors import (
    Ambiguous,
    BoardMissing,
    FileChanging,
    ItemMissing,
    OutcomeUnknown,
    ServerBusy,
    ServerFault,
    ServerRefused,
    ServerUnreachable,
)
from boardsync.model import Category
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.images import Query
from boardsync.servers.invokeai.upload import Picture
from servers.fake_http import Response, json_response
from servers.fake_invokeai import CUT, LOST, WEB_PAGE, FakeInvokeAI, Fault, status
from servers.invokeai_kit import noisy_png, png


@pytest.fixture
async def fake() -> AsyncIterator[FakeInvokeAI]:
    async with FakeInvokeAI() as fake:
        yield fake


@pytest.fixture
async def client(fake: FakeInvokeAI) -> AsyncIterator[InvokeAIClient]:
    async with fake.client() as client:
        yield client


def fill(fake: FakeInvokeAI, count: int, board_id: str | None = None) -> list[str]:
    content = png()
    return [fake.store.add_image(content, board_id).name for _ in range(count)]


async def test_images_are_listed_newest_first_and_stars_do_not_disturb(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    names = fill(fake, 4)
    fake.store.images[names[1]].starred = True
    page = await client.images.list(Query())
    assert [item.item_id for item in page.items] == names[::-1]
    starred = await client.images.list(Query(stars_first=True, newest_first=False))
    assert [item.item_id for item in starred.items] == [names[1], names[0], *names[2:]]


async def test_offset_and_limit_choose_a_window_and_the_total_stays(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    names = fill(fake, 5)
    page = await client.images.list(Query(offset=1, limit=2))
    assert [item.item_id for item in page.items] == [names[3], names[2]]
    assert page.total == 5


@pytest.mark.parametrize("version", ["5.15.0", "6.14.2"])
async def test_more_than_a_page_is_listed_whole(version: str) -> None:
    async with FakeInvokeAI(version, reencode=False) as fake, fake.client() as client:
        names = fill(fake, 1203)
        everything = await client.images.list(Query(limit=None))
        assert [item.item_id for item in everything.items] == names[::-1]
        part = await client.images.list(Query(offset=600, limit=501))
        assert [item.item_id for item in part.items] == names[::-1][600:1101]
        assert part.total == everything.total == 1203


async def test_filters_of_board_category_origin_and_search(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    output = fake.store.add_image(png(), board.board_id, metadata='{"prompt": "A Fox"}')
    asset = fake.store.add_image(png(), board.board_id, category="user", origin="external")
    loose = fake.store.add_image(png(), category="mask", intermediate=True)

    async def found(query: Query) -> set[str]:
        return {item.item_id for item in (await client.images.list(query)).items}

    assert await found(Query()) == {output.name, asset.name}
    assert await found(Query(board.board_id)) == {output.name, asset.name}
    assert await found(Query(None)) == set()
    assert await found(Query(None, intermediates=True)) == {loose.name}
    assert await found(Query(intermediates=None)) == {output.name, asset.name, loose.name}
    assert await found(Query(categories=[Category.USER])) == {asset.name}
    assert await found(Query(categories=[Category.USER, Category.GENERAL])) == {
        output.name,
        asset.name,
    }
    assert await found(Query(origin="external")) == {asset.name}
    assert await found(Query(search="fox")) == {output.name}


async def test_counting_fetches_no_records(client: InvokeAIClient, fake: FakeInvokeAI) -> None:
    board = fake.store.add_board("one")
    fill(fake, 3, board.board_id)
    fill(fake, 2)
    assert await client.images.count(Query(board.board_id)) == 3
    assert await client.images.count(Query(None)) == 2
    assert await client.images.count(Query()) == 5
    assert all(request.param("limit") == "0" for request in fake.log)


async def test_an_image_is_described_by_its_exact_name(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png(size=(40, 30)))
    item = await client.images.show(image.name)
    assert (item.item_id, item.width, item.height) == (image.name, 40, 30)
    assert (item.origin, item.category, item.extension) == ("internal", "general", ".png")


@pytest.mark.parametrize("name", ["nope.png", "", "..", "a/b.png"])
async def test_an_image_that_does_not_exist_is_missing(client: InvokeAIClient, name: str) -> None:
    with pytest.raises(ItemMissing):
        await client.images.show(name)


@pytest.mark.parametrize("version", ["5.15.0", "6.0.2", "6.14.2"])
async def test_records_keep_the_order_and_leave_out_what_is_gone(version: str) -> None:
    async with FakeInvokeAI(version) as fake, fake.client() as client:
        first, second = fill(fake, 2)
        items = await client.images.records([second, "gone.png", first])
        assert [item.item_id for item in items] == [second, first]


async def test_records_are_asked_for_in_pieces_that_the_server_takes(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    names = fill(fake, 1100)
    assert len(await client.images.records(names)) == 1100
    assert fake.requests["records"] == 3


async def test_what_an_old_version_lacks_is_asked_for_only_once() -> None:
    async with FakeInvokeAI("5.15.0") as fake, fake.client() as client:
        names = fill(fake, 2)
        for _ in range(3):
            await client.images.records(names)
            await client.images.names(Query())
        assert fake.requests["unknown"] == 2


async def test_an_upgrade_is_noticed_after_the_connection_was_lost() -> None:
    async with FakeInvokeAI("5.15.0") as fake, fake.client() as client:
        names = fill(fake, 2)
        await client.images.records(names)
        await fake.stop()
        with pytest.raises(ServerUnreachable):
            await client.images.records(names)
        fake.version = "6.14.2"
        await fake.start()
        await client.images.records(names)
        assert fake.requests["records"] == 1


async def test_a_web_page_in_between_is_not_taken_for_an_old_version(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    names = fill(fake, 1)
    fake.inject("any", WEB_PAGE, times=2)
    with pytest.raises(ServerFault, match="web page"):
        await client.images.records(names)
    await client.images.records(names)
    assert fake.requests["records"] == 2


async def test_a_name_is_resolved_exactly_by_stem_and_by_its_beginning(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    [name] = fill(fake, 1)
    stem = name.removesuffix(".png")
    for text in (name, stem, stem + ".jpg", stem[:9]):
        assert (await client.images.resolve(text)).item_id == name


async def test_a_beginning_that_fits_several_lists_the_candidates(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    rename(fake, fill(fake, 1)[0], "abc1.png")
    rename(fake, fill(fake, 1)[0], "abc2.png")
    with pytest.raises(Ambiguous) as caught:
        await client.images.resolve("abc")
    assert caught.value.candidates == ("abc1.png", "abc2.png")
    assert (await client.images.resolve("abc1")).item_id == "abc1.png"


async def test_many_candidates_are_cut_short(client: InvokeAIClient, fake: FakeInvokeAI) -> None:
    for number in range(30):
        rename(fake, fill(fake, 1)[0], f"abc{number:02}.png")
    with pytest.raises(Ambiguous) as caught:
        await client.images.resolve("abc")
    assert caught.value.candidates[-1] == "and 10 more"


async def test_a_beginning_counts_only_within_the_board(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    rename(fake, fill(fake, 1, board.board_id)[0], "abc1.png")
    rename(fake, fill(fake, 1)[0], "abc2.png")
    assert (await client.images.resolve("abc", board.board_id)).item_id == "abc1.png"
    assert (await client.images.resolve("abc", None)).item_id == "abc2.png"


async def test_an_image_of_another_board_is_an_error_that_says_where_it_is(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    one, two = fake.store.add_board("one"), fake.store.add_board("two")
    [name] = fill(fake, 1, one.board_id)
    with pytest.raises(ItemMissing, match=one.board_id):
        await client.images.resolve(name, two.board_id)
    with pytest.raises(ItemMissing, match="Uncategorized"):
        await client.images.resolve(name, None)


async def test_without_prefixes_a_beginning_finds_nothing(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    [name] = fill(fake, 1)
    with pytest.raises(ItemMissing):
        await client.images.resolve(name[:9], prefix=False)
    assert (await client.images.resolve(name[:-4], prefix=False)).item_id == name


@pytest.mark.parametrize("text", ["", ".png", "zzz"])
async def test_what_fits_nothing_is_missing(
    client: InvokeAIClient, fake: FakeInvokeAI, text: str
) -> None:
    fill(fake, 2)
    with pytest.raises(ItemMissing):
        await client.images.resolve(text)


async def test_metadata_and_workflow_are_read(client: InvokeAIClient, fake: FakeInvokeAI) -> None:
    texts = {"invokeai_metadata": '{"seed": 7}', "invokeai_workflow": "{}"}
    image = fake.store.add_image(png(texts=texts))
    plain = fake.store.add_image(png())
    assert await client.images.metadata(image.name) == {"seed": 7}
    assert await client.images.metadata(plain.name) is None
    workflow = await client.images.workflow(image.name)
    assert (workflow.workflow, workflow.graph) == ("{}", None)


async def test_metadata_of_a_missing_image_is_told_from_unreadable_metadata(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png(), metadata='{"a": "\\ud800"}')
    with pytest.raises(ServerRefused, match="cannot read the metadata"):
        await client.images.metadata(image.name)
    with pytest.raises(ItemMissing):
        await client.images.metadata("nope.png")
    with pytest.raises(ItemMissing):
        await client.images.workflow("nope.png")


async def test_an_upload_is_an_asset_and_no_intermediate_by_default(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    item = await client.images.upload(board.board_id, Picture(png()))
    stored = fake.store.images[item.item_id]
    assert (stored.category, stored.intermediate, stored.session_id) == ("user", False, None)
    assert stored.board_id == item.board_id == board.board_id


async def test_an_upload_goes_to_uncategorized_without_naming_it(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    item = await client.images.upload(None, Picture(png()))
    assert item.board_id is None
    assert fake.log[-1].param("board_id") is None


async def test_an_upload_says_what_it_is_told_to(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    picture = Picture(png(), category=Category.CONTROL, intermediate=True, session_id="s1")
    stored = fake.store.images[(await client.images.upload(None, picture)).item_id]
    assert (stored.category, stored.intermediate, stored.session_id) == ("control", True, "s1")


async def test_metadata_of_an_upload_is_united_with_what_the_picture_embeds(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    embedding = png(texts={"invokeai_metadata": '{"seed": 7, "note": "old"}'})
    item = await client.images.upload(None, Picture(embedding), {"note": "new"})
    assert await client.images.metadata(item.item_id) == {"seed": 7, "note": "new"}
    kept = await client.images.upload(None, Picture(embedding))
    assert await client.images.metadata(kept.item_id) == {"seed": 7, "note": "old"}


async def test_an_upload_to_a_missing_board_stores_nothing(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    with pytest.raises(BoardMissing):
        await client.images.upload("nope", Picture(png()))
    assert not fake.store.images


async def test_an_upload_whose_answer_is_lost_is_unknown_and_sent_once(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.inject("upload", LOST)
    with pytest.raises(OutcomeUnknown):
        await client.images.upload(None, Picture(png()))
    assert (fake.requests["upload"], len(fake.store.images)) == (1, 1)


async def test_a_download_is_checked_and_described(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(noisy_png())
    sink = io.BytesIO()
    got = await client.images.download(await client.images.show(image.name), sink)
    assert sink.getvalue() == image.content
    assert got.digest == hashlib.sha256(image.content).hexdigest()
    assert (got.size, got.width, got.height) == (len(image.content), 96, 96)
    assert got.extension == ".png"


async def test_a_thumbnail_is_a_whole_small_webp(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(noisy_png((512, 256)))
    item = await client.images.show(image.name)
    sink = io.BytesIO()
    got = await client.images.download(item, sink, thumbnail=True)
    assert sink.getvalue()[8:12] == b"WEBP"
    assert (got.width, got.height, got.extension) == (256, 128, ".webp")
    assert got.size == len(sink.getvalue())


async def test_a_thumbnail_that_is_not_there_yet_or_torn_is_still_changing(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    item = await client.images.show(image.name)
    image.unwritten = 1
    with pytest.raises(FileChanging, match="no thumbnail yet"):
        await client.images.download(item, io.BytesIO(), thumbnail=True)
    torn = Response(200, b"RIFF\x40\0\0\0WEBPVP8 ", "image/webp")
    fake.inject("thumbnail", Fault(answer=torn))
    sink = io.BytesIO()
    with pytest.raises(FileChanging, match="not whole"):
        await client.images.download(item, sink, thumbnail=True)
    assert sink.getvalue() == b""


async def test_an_endless_thumbnail_is_not_swallowed(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    item = await client.images.show(image.name)
    fake.inject("thumbnail", Fault(answer=Response(200, bytes(5_000_000), "image/webp")))
    with pytest.raises(ServerFault, match="more than a thumbnail"):
        await client.images.download(item, io.BytesIO(), thumbnail=True)


async def test_a_picture_is_torn_until_the_server_has_written_it(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(noisy_png())
    item = await client.images.show(image.name)
    image.unwritten = 3
    for reason in ("no file yet", "cut short", "cut short"):
        with pytest.raises(FileChanging, match=reason):
            await client.images.download(item, io.BytesIO())
    assert (await client.images.download(item, io.BytesIO())).size == len(image.content)


async def test_a_picture_with_a_wrong_checksum_or_size_is_not_taken(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(noisy_png())
    item = await client.images.show(image.name)
    whole = image.content
    image.content = whole[:500] + bytes([whole[500] ^ 1]) + whole[501:]
    with pytest.raises(FileChanging, match="CRC"):
        await client.images.download(item, io.BytesIO())
    image.content = png(size=(5, 5))
    with pytest.raises(FileChanging, match="5x5"):
        await client.images.download(item, io.BytesIO())


async def test_a_picture_that_is_gone_is_missing(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    item = await client.images.show(image.name)
    fake.store.delete_image(image.name)
    with pytest.raises(ItemMissing):
        await client.images.download(item, io.BytesIO())
    with pytest.raises(ItemMissing):
        await client.images.complete(item)
    with pytest.raises(ItemMissing):
        await client.images.download(item, io.BytesIO(), thumbnail=True)


async def test_a_download_that_breaks_off_or_is_no_picture_says_so(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(noisy_png())
    item = await client.images.show(image.name)
    fake.inject("full", CUT)
    with pytest.raises(ServerUnreachable):
        await client.images.download(item, io.BytesIO())
    fake.inject("full", WEB_PAGE)
    with pytest.raises(ServerFault, match="web page"):
        await client.images.download(item, io.BytesIO())
    fake.inject("full", status(500, "disk error"))
    with pytest.raises(ServerFault, match="disk error"):
        await client.images.download(item, io.BytesIO())
    fake.maintenance = True
    with pytest.raises(ServerBusy, match="maintenance"):
        await client.images.download(item, io.BytesIO())


class FullDisk(io.BytesIO):
    """A sink that takes nothing."""

    def write(self, data: object, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_what_is_wrong_with_the_sink_is_the_callers_to_know(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(noisy_png())
    item = await client.images.show(image.name)
    with pytest.raises(OSError, match="No space left"):
        await client.images.download(item, FullDisk())
    assert (await client.images.download(item, io.BytesIO())).size == len(image.content)


@pytest.mark.parametrize("value", [{}, {"items": 3, "total": 1}, {"items": []}, []])
async def test_a_page_of_another_shape_is_a_fault(
    client: InvokeAIClient, fake: FakeInvokeAI, value: object
) -> None:
    fake.inject("images", Fault(answer=json_response(value)))
    with pytest.raises(ServerFault):
        await client.images.list(Query())


async def test_a_page_that_shrinks_meanwhile_ends_the_listing() -> None:
    async with FakeInvokeAI("5.15.0") as fake, fake.client() as client:
        fill(fake, 1)
        empty = {"items": [], "total": 9999, "offset": 0, "limit": 500}
        fake.inject("images", Fault(answer=json_response(empty)))
        assert await client.images.names(Query()) == ()


def rename(fake: FakeInvokeAI, old: str, new: str) -> None:
    """Give an image a name that no server would choose, so that beginnings are known."""
    image = fake.store.images.pop(old)
    board_id = image.board_id
    if board_id is not None:
        del fake.store.boards[board_id].names[old]
        fake.store.boards[board_id].names[new] = None
    image.name = new
    fake.store.images[new] = image
