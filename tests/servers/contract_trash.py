"""The contract of removing: the trash, the way back from it, and the way out for good."""

from __future__ import annotations

from io import BytesIO
from uuid import uuid4

import pytest

from boardsync.errors import BoardMissing, ItemChanged, ItemMissing, Refused
from boardsync.model import Board, Item
from boardsync.servers.port import Server
from picture_samples import opened
from servers.contract_kit import Contract, Kind, picture


def fresh_key() -> str:
    """Return the key of one removal."""
    return uuid4().hex


class RemovingContract(Contract):
    """What becomes of items that are removed."""

    @pytest.fixture(autouse=True)
    def removing(self, kind: Kind) -> None:
        assert kind.server.capabilities.trash, "the parts below are for kinds with a trash"

    async def test_a_trashed_item_is_on_no_board(self, server: Server, board: Board) -> None:
        upload = self.upload_of(picture())
        [item] = await self.send(server, board, upload)
        await server.trash(item, fresh_key())
        assert await self.ids(server, board) == set()
        assert await server.marks(board.board_id, [item.item_id]) == {}
        assert all(one.trashed for one in await server.items(board.board_id, [item.item_id]))
        boards = {one.board_id for one in await server.boards()}
        [hit] = await server.find(upload.mark.token)
        assert hit.board_id not in boards

    async def test_a_trashed_item_is_found_and_described_as_such(
        self, server: Server, board: Board
    ) -> None:
        upload = self.upload_of(picture())
        [item] = await self.send(server, board, upload)
        trashed_id = await server.trash(item, fresh_key())
        [hit] = await server.find(upload.mark.token)
        assert (hit.item_id, hit.trashed, hit.version) == (trashed_id, True, item.version)
        assert await server.in_trash(trashed_id) == hit
        assert await server.items(board.board_id, [trashed_id]) == [hit]
        assert await server.items(hit.board_id, [trashed_id]) == [hit]

    async def test_the_mark_in_the_trash_is_read_as_that_of_its_board(
        self, server: Server, board: Board
    ) -> None:
        upload = self.upload_of(picture())
        [item] = await self.send(server, board, upload)
        trashed_id = await server.trash(item, fresh_key())
        [hit] = await server.find(upload.mark.token)
        assert await server.marks(hit.board_id, [trashed_id]) == {trashed_id: upload.mark}
        assert await server.marks(board.board_id, [trashed_id]) == {}

    async def test_what_is_in_the_trash_is_still_whole(self, server: Server, board: Board) -> None:
        [item] = await self.send(server, board, self.upload_of(picture()))
        trashed = await self.lying(server, await server.trash(item, fresh_key()))
        assert await server.complete(trashed)
        assert await self.pixels(server, trashed) == opened(picture()).tobytes()

    async def test_the_trash_is_no_board_to_work_with(self, server: Server, board: Board) -> None:
        [item] = await self.send(server, board, self.upload_of(picture(1)))
        trashed = await self.lying(server, await server.trash(item, fresh_key()))
        with pytest.raises(BoardMissing):
            await server.listing(trashed.board_id)
        with pytest.raises(BoardMissing):
            await server.board(trashed.board_id)
        with pytest.raises(BoardMissing):
            await server.upload(trashed.board_id, [self.upload_of(picture(2))])
        with pytest.raises(ItemMissing):
            await server.move(trashed, board.board_id)
        assert await server.in_trash(trashed.item_id) == trashed

    async def test_the_same_removal_twice_is_one(self, server: Server, board: Board) -> None:
        upload = self.upload_of(picture())
        [item] = await self.send(server, board, upload)
        key = fresh_key()
        trashed_id = await server.trash(item, key)
        assert await server.trash(item, key) == trashed_id
        assert await server.trash(await self.lying(server, trashed_id), key) == trashed_id
        assert [hit.item_id for hit in await server.find(upload.mark.token)] == [trashed_id]

    async def test_a_repeated_removal_leaves_a_new_item_of_the_name_alone(
        self, kind: Kind, board: Board
    ) -> None:
        server, key = kind.server, fresh_key()
        [item] = await self.send(server, board, self.upload_of(picture(1), "a.png"))
        trashed_id = await server.trash(item, key)
        new = await kind.put(board.board_id, "a.png", picture(2))
        assert await server.trash(item, key) == trashed_id
        assert await self.ids(server, board) == {new}

    async def test_items_of_one_name_have_room_in_the_trash(
        self, server: Server, board: Board
    ) -> None:
        trashed = set()
        for number in (1, 2):
            [item] = await self.send(server, board, self.upload_of(picture(number), "a.png"))
            trashed.add(await server.trash(item, fresh_key()))
        assert len(trashed) == 2
        for trashed_id in trashed:
            assert await server.in_trash(trashed_id) is not None

    async def test_an_item_of_somebody_else_goes_there_and_comes_back(
        self, kind: Kind, board: Board
    ) -> None:
        server = kind.server
        item_id = await kind.put(board.board_id, "theirs.png", picture())
        [item] = await server.items(board.board_id, [item_id])
        trashed_id = await server.trash(item, fresh_key())
        assert await self.ids(server, board) == set()
        back = await server.untrash(trashed_id, board.board_id)
        assert await server.marks(board.board_id, [back.item_id]) == {back.item_id: None}
        assert await self.pixels(server, back) == opened(picture()).tobytes()

    async def test_trashing_a_missing_item_says_so(self, kind: Kind, board: Board) -> None:
        with pytest.raises(ItemMissing):
            await kind.server.trash(Item(kind.missing_item, board.board_id), fresh_key())

    async def test_an_item_that_changed_since_is_not_removed(
        self, kind: Kind, board: Board
    ) -> None:
        if kind.edit is None:
            pytest.skip("items never change here")
        upload = self.upload_of(picture(1))
        [item] = await self.send(kind.server, board, upload)
        await kind.edit(item, picture(2))
        with pytest.raises(ItemChanged):
            await kind.server.trash(item, fresh_key())
        assert await self.ids(kind.server, board) == {item.item_id}
        assert await kind.server.find(upload.mark.token) == []

    async def test_an_item_that_somebody_moved_meanwhile_is_not_removed(
        self, server: Server, board: Board
    ) -> None:
        other = await server.create_board("another board")
        [item] = await self.send(server, board, self.upload_of(picture()))
        moved = await server.move(item, other.board_id)
        with pytest.raises((ItemChanged, ItemMissing)):
            await server.trash(item, fresh_key())
        assert await self.ids(server, other) == {moved.item_id}

    async def test_what_comes_back_is_the_item_with_its_mark(
        self, kind: Kind, server: Server, board: Board
    ) -> None:
        upload = self.upload_of(picture(), "sub/a.png")
        [item] = await self.send(server, board, upload)
        trashed_id = await server.trash(item, fresh_key())
        back = await server.untrash(trashed_id, board.board_id)
        if not kind.comes_back_anew:
            assert (back.item_id, back.version) == (item.item_id, item.version)
        assert (back.board_id, back.trashed) == (board.board_id, False)
        assert await self.ids(server, board) == {back.item_id}
        assert await server.marks(board.board_id, [back.item_id]) == {back.item_id: upload.mark}
        assert await server.find(upload.mark.token) == [back]
        assert await server.in_trash(trashed_id) is None

    async def test_what_comes_back_can_be_removed_again(self, server: Server, board: Board) -> None:
        [item] = await self.send(server, board, self.upload_of(picture()))
        for _ in range(2):
            trashed_id = await server.trash(item, fresh_key())
            item = await server.untrash(trashed_id, board.board_id)
        assert await self.ids(server, board) == {item.item_id}

    async def test_it_can_come_back_elsewhere_and_under_another_name(
        self, kind: Kind, server: Server, board: Board
    ) -> None:
        other = await server.create_board("another board")
        [item] = await self.send(server, board, self.upload_of(picture(), "a.png"))
        trashed_id = await server.trash(item, fresh_key())
        back = await server.untrash(trashed_id, other.board_id, "new/b.png")
        if server.capabilities.names_kept:
            assert back.item_id == "new/b.png"
        elif not kind.comes_back_anew:
            assert back.item_id == item.item_id
        assert await self.ids(server, board) == set()
        assert await self.ids(server, other) == {back.item_id}

    async def test_it_comes_back_to_no_board_where_there_is_such_a_place(
        self, server: Server, board: Board
    ) -> None:
        if not server.capabilities.categories:
            pytest.skip("every item is on a board")
        [item] = await self.send(server, board, self.upload_of(picture()))
        loose = await server.move(item, None)
        trashed_id = await server.trash(loose, fresh_key())
        back = await server.untrash(trashed_id, None)
        assert (back.board_id, back.trashed) == (None, False)

    async def test_coming_back_never_replaces_what_has_the_name_now(
        self, kind: Kind, board: Board
    ) -> None:
        server = kind.server
        [item] = await self.send(server, board, self.upload_of(picture(1), "a.png"))
        trashed_id = await server.trash(item, fresh_key())
        new = await kind.put(board.board_id, "a.png", picture(2))
        back = await server.untrash(trashed_id, board.board_id, "a.png")
        assert await self.ids(server, board) == {new, back.item_id}
        if server.capabilities.names_kept:
            assert back.item_id == "a (2).png"
        [theirs] = await server.items(board.board_id, [new])
        assert await self.pixels(server, theirs) == opened(picture(2)).tobytes()

    async def test_coming_back_twice_is_once(self, kind: Kind, board: Board) -> None:
        server = kind.server
        [item] = await self.send(server, board, self.upload_of(picture(1), "a.png"))
        trashed_id = await server.trash(item, fresh_key())
        await kind.put(board.board_id, "a.png", picture(2))
        back = await server.untrash(trashed_id, board.board_id)
        assert await server.untrash(trashed_id, board.board_id) == back
        assert len(await self.ids(server, board)) == 2

    async def test_it_stays_in_the_trash_when_its_board_is_missing(
        self, kind: Kind, board: Board
    ) -> None:
        [item] = await self.send(kind.server, board, self.upload_of(picture()))
        trashed_id = await kind.server.trash(item, fresh_key())
        with pytest.raises(BoardMissing):
            await kind.server.untrash(trashed_id, kind.missing_board)
        assert await kind.server.in_trash(trashed_id) is not None

    async def test_what_is_purged_is_gone_for_good(self, server: Server, board: Board) -> None:
        purged, kept = [
            await server.trash(item, fresh_key())
            for item in await self.send(
                server, board, self.upload_of(picture(1)), self.upload_of(picture(2))
            )
        ]
        await server.purge(purged)
        assert await server.in_trash(purged) is None
        assert await server.find(self.upload_of(picture(1)).mark.token) == []
        assert await server.in_trash(kept) is not None
        for asking in (server.purge(purged), server.untrash(purged, board.board_id)):
            with pytest.raises(ItemMissing):
                await asking

    async def test_nothing_but_the_trash_is_ever_purged(self, kind: Kind, board: Board) -> None:
        server = kind.server
        [item] = await self.send(server, board, self.upload_of(picture()))
        trashed_id = await server.trash(item, fresh_key())
        back = await server.untrash(trashed_id, board.board_id)
        for one in (trashed_id, back.item_id, kind.missing_item):
            with pytest.raises((ItemMissing, Refused)):
                await server.purge(one)
        assert await self.ids(server, board) == {back.item_id}

    async def test_what_was_never_removed_is_not_in_the_trash(
        self, kind: Kind, board: Board
    ) -> None:
        [item] = await self.send(kind.server, board, self.upload_of(picture()))
        for one in (item.item_id, kind.missing_item):
            assert await kind.server.in_trash(one) is None
            if one != item.item_id:
                with pytest.raises(ItemMissing):
                    await kind.server.untrash(one, board.board_id)

    async def test_the_same_picture_may_be_sent_anew_beside_the_one_in_the_trash(
        self, server: Server, board: Board
    ) -> None:
        upload = self.upload_of(picture(), "a.png")
        [item] = await self.send(server, board, upload)
        trashed_id = await server.trash(item, fresh_key())
        [new] = await self.send(server, board, upload)
        hits = {hit.item_id: hit.trashed for hit in await server.find(upload.mark.token)}
        assert hits == {trashed_id: True, new.item_id: False}

    async def lying(self, server: Server, trashed_id: str) -> Item:
        item = await server.in_trash(trashed_id)
        assert item is not None
        return item

    async def pixels(self, server: Server, item: Item) -> bytes:
        sink = BytesIO()
        await server.download(item, sink)
        return opened(sink.getvalue()).tobytes()
