"""What every kind of server promises, as one suite that each kind inherits.

A kind's test class derives from `ServerContract` and has an async fixture `kind` that yields
a `Kind`: the server, and the hands of another user who works on it without boardsync. What a
kind cannot do by its capability record is skipped by asking the record, as the engine does.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from io import BytesIO
from uuid import uuid4

import pytest

from boardsync.errors import (
    BoardMissing,
    FileChanging,
    ItemMissing,
    Refused,
    ServerRefused,
)
from boardsync.formats import PNG
from boardsync.formats.whole import check
from boardsync.model import Board, Item, Mark, Outcome, Upload, UploadResult
from boardsync.plan.tokens import token_for
from boardsync.servers.port import BoardId, Server
from picture_samples import opened, sample

MIRROR = "contract"
SIZE = (32, 24)
MANY = 1200


@dataclass
class Kind:
    """One kind under test.

    put: lays a picture on a board as another user would, and returns its id. ghost: leaves an
    upload of ours behind whose bytes are not whole; None where the kind cannot have one.
    checks_pictures: whether an upload that is no picture is refused. searches: whether the
    items' metadata can be searched.
    """

    server: Server
    put: Callable[[BoardId, str, bytes], Awaitable[str]]
    ghost: Callable[[BoardId, Upload], Awaitable[Item]] | None = None
    checks_pictures: bool = True
    searches: bool = True
    missing_board: str = "00000000-0000-4000-8000-000000000000"
    missing_item: str = "00000000-0000-4000-8000-000000000000.png"


def picture(number: int = 1) -> bytes:
    """Return a small PNG; another number is another picture."""
    return sample(PNG, "RGB", SIZE, seed=number)


def upload_of(content: bytes, name: str = "picture.png", mirror: str = MIRROR) -> Upload:
    """Prepare an upload as the engine does: unchanged bytes, and the mark that belongs to them."""
    digest = hashlib.sha256(content).hexdigest()
    mark = Mark(mirror, token_for(mirror, digest), digest, digest, "original")
    return Upload(name, content, "image/png", mark, width=SIZE[0], height=SIZE[1])


def stored(result: UploadResult) -> Item:
    """Return the item of an upload that has to have been stored."""
    assert result.outcome is Outcome.STORED, result.error
    assert result.item is not None
    return result.item


class ServerContract:
    """The behaviours. `board` is a fresh board, `server` the kind's server."""

    mirror = MIRROR

    @pytest.fixture(autouse=True)
    def own_mirror(self) -> None:
        """Give each test tokens of its own: a real server is shared by all of them."""
        self.mirror = f"{MIRROR} {uuid4().hex}"

    @pytest.fixture
    def server(self, kind: Kind) -> Server:
        return kind.server

    @pytest.fixture
    async def board(self, kind: Kind) -> Board:
        return await kind.server.create_board("contract board")

    def upload_of(self, content: bytes, name: str = "picture.png", mirror: str = "") -> Upload:
        return upload_of(content, name, mirror or self.mirror)

    async def send(self, server: Server, board: Board, *uploads: Upload) -> list[Item]:
        """Upload in batches as large as the kind takes, and return the stored items."""
        size = server.capabilities.batch
        results: list[UploadResult] = []
        for start in range(0, len(uploads), size):
            results += await server.upload(board.board_id, uploads[start : start + size])
        return [stored(result) for result in results]

    async def ids(self, server: Server, board: Board) -> set[str]:
        listing = await server.listing(board.board_id)
        assert listing.entries is not None
        return {entry.item_id for entry in listing.entries}

    # Who is there

    async def test_a_probe_says_which_kind_and_where(self, server: Server) -> None:
        info = await server.probe()
        assert info.kind == server.capabilities.kind
        assert info.address

    async def test_closing_twice_is_no_error(self, server: Server) -> None:
        await server.aclose()
        await server.aclose()

    async def test_the_capability_record_is_usable(self, server: Server) -> None:
        record = server.capabilities
        assert record.batch >= 1
        assert record.uploads_at_once >= 1
        assert record.downloads_at_once >= 1
        assert record.poll_floor > 0

    # Boards

    async def test_a_created_board_is_listed_once(self, server: Server) -> None:
        made = await server.create_board("landscapes")
        assert made.name == "landscapes"
        assert [b.name for b in await server.boards() if b.board_id == made.board_id] == [
            "landscapes"
        ]

    async def test_a_created_board_is_described(self, server: Server, board: Board) -> None:
        seen = await server.board(board.board_id)
        assert (seen.board_id, seen.name) == (board.board_id, board.name)

    async def test_uncategorized_is_not_among_the_boards(self, server: Server) -> None:
        assert None not in {board.board_id for board in await server.boards()}

    async def test_boards_with_odd_names_keep_them(self, server: Server) -> None:
        names = ["Landscape & Sea", "čeština 画像 🖼️", "100% _done_ (2)"]
        made = [await server.create_board(name) for name in names]
        by_id = {board.board_id: board.name for board in await server.boards()}
        assert [by_id[board.board_id] for board in made] == names

    async def test_describing_a_missing_board_says_so(self, kind: Kind) -> None:
        with pytest.raises(BoardMissing):
            await kind.server.board(kind.missing_board)

    async def test_listing_a_missing_board_says_so(self, kind: Kind) -> None:
        with pytest.raises(BoardMissing):
            await kind.server.listing(kind.missing_board)

    async def test_uploading_to_a_missing_board_says_so_and_stores_nothing(
        self, kind: Kind
    ) -> None:
        upload = self.upload_of(picture())
        with pytest.raises(BoardMissing):
            await kind.server.upload(kind.missing_board, [upload])
        assert await kind.server.find(upload.mark.token) == []

    # Listings

    async def test_a_new_board_is_empty_and_its_listing_complete(
        self, server: Server, board: Board
    ) -> None:
        listing = await server.listing(board.board_id)
        assert (listing.entries, listing.complete) == ((), True)

    async def test_an_unchanged_board_has_an_unchanged_digest(
        self, kind: Kind, board: Board
    ) -> None:
        await kind.put(board.board_id, "other.png", picture())
        first = await kind.server.listing(board.board_id)
        again = await kind.server.listing(board.board_id)
        assert again == first

    async def test_a_known_listing_is_not_parsed_again(self, kind: Kind, board: Board) -> None:
        await kind.put(board.board_id, "other.png", picture())
        first = await kind.server.listing(board.board_id)
        again = await kind.server.listing(board.board_id, known=first.digest)
        assert (again.digest, again.entries, again.complete) == (first.digest, None, True)

    async def test_a_new_item_changes_the_digest_and_is_listed(
        self, kind: Kind, board: Board
    ) -> None:
        await kind.put(board.board_id, "one.png", picture(1))
        before = await kind.server.listing(board.board_id)
        item_id = await kind.put(board.board_id, "two.png", picture(2))
        after = await kind.server.listing(board.board_id, known=before.digest)
        assert after.digest != before.digest
        assert after.entries is not None
        assert item_id in {entry.item_id for entry in after.entries}
        assert len(after.entries) == 2

    async def test_a_board_lists_its_own_items_only(self, kind: Kind, board: Board) -> None:
        other = await kind.server.create_board("another board")
        mine = await kind.put(board.board_id, "mine.png", picture(1))
        await kind.put(other.board_id, "theirs.png", picture(2))
        assert await self.ids(kind.server, board) == {mine}

    async def test_listed_versions_are_those_that_items_have(
        self, kind: Kind, board: Board
    ) -> None:
        item_id = await kind.put(board.board_id, "other.png", picture())
        listing = await kind.server.listing(board.board_id)
        [item] = await kind.server.items(board.board_id, [item_id])
        assert listing.entries is not None
        assert item.version in {listing.entries[0].version, ""}

    # Items

    async def test_no_ids_give_no_items(self, server: Server, board: Board) -> None:
        assert await server.items(board.board_id, []) == []

    async def test_an_item_is_described(self, kind: Kind, board: Board) -> None:
        item_id = await kind.put(board.board_id, "other.png", picture())
        [item] = await kind.server.items(board.board_id, [item_id])
        assert (item.item_id, item.board_id) == (item_id, board.board_id)
        assert item.extension == ".png"
        assert item.width in {SIZE[0], None}
        assert item.height in {SIZE[1], None}

    async def test_items_that_are_gone_are_left_out(self, kind: Kind, board: Board) -> None:
        item_id = await kind.put(board.board_id, "other.png", picture())
        items = await kind.server.items(board.board_id, [kind.missing_item, item_id])
        assert [item.item_id for item in items] == [item_id]

    async def test_any_number_of_items_can_be_asked_for(self, kind: Kind, board: Board) -> None:
        there = {await kind.put(board.board_id, f"other{n}.png", picture(n)) for n in range(1, 4)}
        asked = [f"{n:04d}-{kind.missing_item}" for n in range(MANY)] + sorted(there)
        items = await kind.server.items(board.board_id, asked)
        assert {item.item_id for item in items} == there

    # Uploads and their marks

    async def test_an_upload_is_stored_and_listed(self, server: Server, board: Board) -> None:
        [item] = await self.send(server, board, self.upload_of(picture()))
        assert item.board_id == board.board_id
        assert await self.ids(server, board) == {item.item_id}

    async def test_an_upload_answers_with_the_item_that_is_described(
        self, server: Server, board: Board
    ) -> None:
        [item] = await self.send(server, board, self.upload_of(picture()))
        [seen] = await server.items(board.board_id, [item.item_id])
        assert (seen.item_id, seen.version, seen.board_id) == (
            item.item_id,
            item.version,
            item.board_id,
        )
        assert (item.width, item.height) == SIZE

    async def test_a_batch_is_answered_in_order(self, server: Server, board: Board) -> None:
        uploads = [self.upload_of(picture(n), f"{n}.png") for n in range(1, 6)]
        items = await self.send(server, board, *uploads)
        marks = await server.marks(board.board_id, [item.item_id for item in items])
        assert [marks[item.item_id] for item in items] == [upload.mark for upload in uploads]

    async def test_a_refused_picture_does_not_stop_the_others(
        self, kind: Kind, board: Board
    ) -> None:
        if not kind.checks_pictures:
            pytest.skip("this kind takes any bytes")
        uploads = [
            self.upload_of(picture(1), "one.png"),
            self.upload_of(b"Dear diary, this is no picture.", "text.png"),
            self.upload_of(picture(2), "two.png"),
        ]
        results: list[UploadResult] = []
        size = kind.server.capabilities.batch
        for start in range(0, len(uploads), size):
            results += await kind.server.upload(board.board_id, uploads[start : start + size])
        assert [result.outcome for result in results] == [
            Outcome.STORED,
            Outcome.REFUSED,
            Outcome.STORED,
        ]
        assert isinstance(results[1].error, Refused)
        assert results[1].item is None
        assert len(await self.ids(kind.server, board)) == 2

    async def test_one_name_twice_is_two_items(self, server: Server, board: Board) -> None:
        items = await self.send(
            server,
            board,
            self.upload_of(picture(1), "same.png"),
            self.upload_of(picture(2), "same.png"),
        )
        assert await self.ids(server, board) == {item.item_id for item in items}
        assert len({item.item_id for item in items}) == 2

    async def test_one_picture_twice_is_two_items_where_the_server_gives_ids(
        self, server: Server, board: Board
    ) -> None:
        if server.capabilities.names_kept:
            pytest.skip("names are ours")
        first, second = await self.send(
            server, board, self.upload_of(picture()), self.upload_of(picture())
        )
        assert first.item_id != second.item_id
        assert len(await server.find(self.upload_of(picture()).mark.token)) == 2

    async def test_one_picture_twice_is_one_item_where_names_are_kept(
        self, server: Server, board: Board
    ) -> None:
        if not server.capabilities.names_kept:
            pytest.skip("ids are the server's")
        upload = self.upload_of(picture(), "same.png")
        [first] = await self.send(server, board, upload)
        [again] = await server.upload(board.board_id, [upload])
        assert (again.outcome, again.item) == (Outcome.EXISTED, first)
        assert await self.ids(server, board) == {first.item_id}

    async def test_one_picture_of_two_mirrors_is_two_items(
        self, server: Server, board: Board
    ) -> None:
        ours, theirs = (
            self.upload_of(picture()),
            self.upload_of(picture(), mirror=f"{self.mirror} another"),
        )
        first, second = await self.send(server, board, ours, theirs)
        marks = await server.marks(board.board_id, [first.item_id, second.item_id])
        assert (marks[first.item_id], marks[second.item_id]) == (ours.mark, theirs.mark)

    @pytest.mark.parametrize(
        "name",
        [
            "sea 🌊 naïve 画像.png",
            "line\nbreak\ttab.png",
            "quote'\"`$(x);&.png",
            "x" * 246 + ".png",
            "é" * 123 + ".png",
            "trailing space .png",
            "-rf.png",
            "UPPER.PNG",
            "bytes \udcff\udce9.png",
        ],
    )
    async def test_hostile_names_round_trip_where_names_are_kept(
        self, server: Server, board: Board, name: str
    ) -> None:
        if not server.capabilities.names_kept:
            pytest.skip("ids are the server's")
        upload = self.upload_of(picture(), name)
        [item] = await self.send(server, board, upload)
        assert item.item_id == name
        assert await self.ids(server, board) == {name}
        assert await server.marks(board.board_id, [name]) == {name: upload.mark}
        assert [found.item_id for found in await server.find(upload.mark.token)] == [name]

    async def test_a_mark_round_trips_exactly(self, server: Server, board: Board) -> None:
        digest = hashlib.sha256(b"another file").hexdigest()
        mark = Mark(
            'mirror "ü" \\ 画',
            token_for("m", digest),
            digest,
            hashlib.sha256(picture()).hexdigest(),
            "upright+srgb;png",
        )
        [item] = await self.send(server, board, replace(self.upload_of(picture()), mark=mark))
        assert await server.marks(board.board_id, [item.item_id]) == {item.item_id: mark}

    async def test_anothers_item_has_no_mark(self, kind: Kind, board: Board) -> None:
        item_id = await kind.put(board.board_id, "other.png", picture())
        assert await kind.server.marks(board.board_id, [item_id]) == {item_id: None}

    async def test_a_missing_item_has_no_entry_among_the_marks(
        self, kind: Kind, board: Board
    ) -> None:
        [item] = await self.send(kind.server, board, self.upload_of(picture()))
        marks = await kind.server.marks(board.board_id, [kind.missing_item, item.item_id])
        assert set(marks) == {item.item_id}
        assert await kind.server.marks(board.board_id, []) == {}

    async def test_marks_of_many_items_are_read_at_once(self, kind: Kind, board: Board) -> None:
        uploads = [self.upload_of(picture(n), f"{n}.png") for n in range(1, 21)]
        items = await self.send(kind.server, board, *uploads)
        other = await kind.put(board.board_id, "other.png", picture(99))
        asked = [f"{n:04d}-{kind.missing_item}" for n in range(MANY)]
        asked += [other, *(item.item_id for item in items)]
        marks = await kind.server.marks(board.board_id, asked)
        expected: dict[str, Mark | None] = {
            item.item_id: upload.mark for item, upload in zip(items, uploads, strict=True)
        }
        assert marks == {**expected, other: None}

    # Finding

    async def test_a_token_finds_its_upload_on_any_board(
        self, server: Server, board: Board
    ) -> None:
        other = await server.create_board("another board")
        upload = self.upload_of(picture(1), "wanted.png")
        await self.send(server, board, self.upload_of(picture(2), "unwanted.png"))
        [item] = await self.send(server, other, upload)
        found = await server.find(upload.mark.token)
        assert [(hit.item_id, hit.board_id) for hit in found] == [(item.item_id, other.board_id)]

    async def test_an_unknown_token_finds_nothing(self, server: Server, board: Board) -> None:
        await self.send(server, board, self.upload_of(picture(1)))
        assert await server.find(self.upload_of(picture(2)).mark.token) == []

    async def test_a_token_of_another_mirror_finds_nothing(
        self, server: Server, board: Board
    ) -> None:
        await self.send(server, board, self.upload_of(picture()))
        assert (
            await server.find(self.upload_of(picture(), mirror=f"{self.mirror} another").mark.token)
            == []
        )

    async def test_a_search_finds_what_a_board_holds(self, kind: Kind, board: Board) -> None:
        if not kind.searches:
            with pytest.raises(ServerRefused, match="search"):
                await kind.server.matching(board.board_id, "term")
            return
        upload = self.upload_of(picture())
        [item] = await self.send(kind.server, board, upload)
        assert await kind.server.matching(board.board_id, upload.mark.token) == {item.item_id}
        assert await kind.server.matching(board.board_id, "nothinglikethis") == set()

    # Downloads

    async def test_a_download_brings_the_whole_picture(self, server: Server, board: Board) -> None:
        [item] = await self.send(server, board, self.upload_of(picture()))
        sink = BytesIO()
        download = await server.download(item, sink)
        content = sink.getvalue()
        assert (download.digest, download.size) == (
            hashlib.sha256(content).hexdigest(),
            len(content),
        )
        assert (download.width, download.height, download.extension) == (*SIZE, ".png")
        assert check(content).whole
        assert opened(content).tobytes() == opened(picture()).tobytes()

    async def test_bytes_stay_as_they_are_unless_the_kind_reencodes(
        self, server: Server, board: Board
    ) -> None:
        if server.capabilities.reencodes:
            pytest.skip("this kind makes new bytes of a picture")
        [item] = await self.send(server, board, self.upload_of(picture()))
        sink = BytesIO()
        await server.download(item, sink)
        assert sink.getvalue() == picture()

    async def test_a_download_starts_where_the_sink_stands(self, kind: Kind, board: Board) -> None:
        item_id = await kind.put(board.board_id, "other.png", picture())
        [item] = await kind.server.items(board.board_id, [item_id])
        sink = BytesIO()
        sink.write(b"before")
        download = await kind.server.download(item, sink)
        assert sink.getvalue().startswith(b"before\x89PNG")
        assert len(sink.getvalue()) == len(b"before") + download.size

    async def test_downloads_at_once_do_not_mix(self, kind: Kind, board: Board) -> None:
        ids = [await kind.put(board.board_id, f"{n}.png", picture(n)) for n in range(1, 7)]
        items = {item.item_id: item for item in await kind.server.items(board.board_id, ids)}
        sinks = [BytesIO() for _ in ids]
        await asyncio.gather(
            *(
                kind.server.download(items[item_id], sink)
                for item_id, sink in zip(ids, sinks, strict=True)
            )
        )
        for number, sink in enumerate(sinks, start=1):
            assert opened(sink.getvalue()).tobytes() == opened(picture(number)).tobytes()

    async def test_downloading_a_missing_item_says_so(self, kind: Kind, board: Board) -> None:
        sink = BytesIO()
        with pytest.raises(ItemMissing):
            await kind.server.download(Item(kind.missing_item, board.board_id), sink)
        assert sink.getvalue() == b""

    # Whole or not

    async def test_a_stored_picture_is_complete(self, server: Server, board: Board) -> None:
        [item] = await self.send(server, board, self.upload_of(picture()))
        assert await server.complete(item)

    async def test_asking_whether_a_missing_item_is_complete_says_so(
        self, kind: Kind, board: Board
    ) -> None:
        with pytest.raises(ItemMissing):
            await kind.server.complete(Item(kind.missing_item, board.board_id))

    async def test_a_whole_item_is_never_deleted_as_a_ghost(
        self, server: Server, board: Board
    ) -> None:
        [item] = await self.send(server, board, self.upload_of(picture()))
        with pytest.raises(FileChanging):
            await server.delete_ghost(item)
        assert await self.ids(server, board) == {item.item_id}

    async def test_a_ghost_is_incomplete_not_downloaded_and_can_be_deleted(
        self, kind: Kind, board: Board
    ) -> None:
        if kind.ghost is None:
            pytest.skip("this kind cannot have ghosts")
        keep, upload = (
            self.upload_of(picture(1), "keep.png"),
            self.upload_of(picture(2), "ghost.png"),
        )
        [kept] = await self.send(kind.server, board, keep)
        ghost = await kind.ghost(board.board_id, upload)
        assert not await kind.server.complete(ghost)
        with pytest.raises((FileChanging, Refused)):
            await kind.server.download(ghost, BytesIO())
        await kind.server.delete_ghost(ghost)
        await kind.server.delete_ghost(ghost)
        assert await self.ids(kind.server, board) == {kept.item_id}
        assert await kind.server.find(upload.mark.token) == []
