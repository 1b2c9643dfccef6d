"""The contract of sending: uploads, their marks, and finding them again."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from boardsync.errors import (
    Refused,
    ServerRefused,
)
from boardsync.model import Board, Mark, Outcome, UploadResult
from boardsync.plan.tokens import token_for
from boardsync.servers.port import Server
from servers.contract_kit import MANY, SIZE, Contract, Kind, picture

HOSTILE_NAMES = (
    "sea 🌊 naïve 画像.png",
    "line\nbreak\ttab.png",
    "quote'\"`$(x);&.png",
    "x" * 246 + ".png",
    "é" * 123 + ".png",
    "trailing space .png",
    "-rf.png",
    "UPPER.PNG",
    "bytes \udcff\udce9.png",
)


class SendingContract(Contract):
    """What becomes of uploads."""

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

    async def test_hostile_names_round_trip_where_names_are_kept(
        self, server: Server, board: Board
    ) -> None:
        if not server.capabilities.names_kept:
            pytest.skip("ids are the server's")
        marks = {}
        for number, name in enumerate(HOSTILE_NAMES, start=1):
            upload = self.upload_of(picture(number), name)
            [item] = await self.send(server, board, upload)
            assert item.item_id == name
            found = await server.find(upload.mark.token)
            assert [hit.item_id for hit in found] == [name]
            marks[name] = upload.mark
        assert await self.ids(server, board) == set(HOSTILE_NAMES)
        assert await server.marks(board.board_id, HOSTILE_NAMES) == marks

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
