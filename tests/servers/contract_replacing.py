"""The contract of replacing, where names are kept: the new takes the place, the old the trash."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from uuid import uuid4

import pytest

from boardsync.errors import Bug, ItemChanged
from boardsync.model import Board, Item, Outcome, Upload
from boardsync.servers.port import Server
from servers.contract_kit import Contract, Kind, picture


class ReplacingContract(Contract):
    """What becomes of an item whose place an upload takes."""

    @pytest.fixture
    async def old(self, server: Server, board: Board) -> Item:
        if not server.capabilities.names_kept:
            pytest.skip("ids are the server's")
        [item] = await self.send(server, board, self.upload_of(picture(1), "sub/a.png"))
        return item

    @pytest.fixture
    def upload(self, old: Item) -> Upload:
        new = self.upload_of(picture(2), "whatever.png")
        return replace(new, replaces=old, trash_key=uuid4().hex)

    async def test_where_ids_are_the_servers_nothing_can_be_replaced(
        self, server: Server, board: Board
    ) -> None:
        if server.capabilities.names_kept:
            pytest.skip("names are ours")
        [item] = await self.send(server, board, self.upload_of(picture(1)))
        new = replace(self.upload_of(picture(2)), replaces=item, trash_key=uuid4().hex)
        with pytest.raises(Bug):
            await server.upload(board.board_id, [new])
        assert await self.ids(server, board) == {item.item_id}

    async def test_the_new_takes_the_name_and_the_old_goes_to_the_trash(
        self, server: Server, board: Board, old: Item, upload: Upload
    ) -> None:
        [result] = await server.upload(board.board_id, [upload])
        assert (result.outcome, result.error) == (Outcome.STORED, None)
        assert result.item is not None
        assert (result.item.item_id, result.item.version != old.version) == (old.item_id, True)
        assert await self.ids(server, board) == {old.item_id}
        assert await self.content(server, result.item) == picture(2)
        assert await server.marks(board.board_id, [old.item_id]) == {old.item_id: upload.mark}

    async def test_the_old_lies_in_the_trash_as_if_it_had_been_removed(
        self, server: Server, board: Board, old: Item, upload: Upload
    ) -> None:
        await server.upload(board.board_id, [upload])
        trashed_id = await server.trash(old, upload.trash_key)
        trashed = await server.in_trash(trashed_id)
        assert trashed is not None
        assert await self.content(server, trashed) == picture(1)
        mark = self.upload_of(picture(1)).mark
        assert await server.marks(trashed.board_id, [trashed_id]) == {trashed_id: mark}
        assert await server.find(mark.token) == [trashed]
        back = await server.untrash(trashed_id, board.board_id, old.item_id)
        assert await self.ids(server, board) == {old.item_id, back.item_id}
        assert await self.content(server, back) == picture(1)

    async def test_a_repeated_replacement_says_that_it_is_there(
        self, server: Server, board: Board, old: Item, upload: Upload
    ) -> None:
        [first] = await server.upload(board.board_id, [upload])
        [again] = await server.upload(board.board_id, [upload])
        assert (again.outcome, again.item) == (Outcome.EXISTED, first.item)
        assert len(await server.find(self.upload_of(picture(1)).mark.token)) == 1

    async def test_another_version_is_never_replaced(
        self, kind: Kind, board: Board, old: Item, upload: Upload
    ) -> None:
        assert kind.edit is not None
        server = kind.server
        await kind.edit(old, picture(3))
        [result] = await server.upload(board.board_id, [upload])
        assert (result.outcome, result.item) == (Outcome.CHANGED, None)
        assert isinstance(result.error, ItemChanged)
        [theirs] = await server.items(board.board_id, [old.item_id])
        assert await self.content(server, theirs) == picture(3)
        await self.nothing_remains(server, upload)

    async def test_what_is_gone_is_not_replaced(
        self, server: Server, board: Board, old: Item, upload: Upload
    ) -> None:
        await server.trash(old, uuid4().hex)
        [result] = await server.upload(board.board_id, [upload])
        assert result.outcome is Outcome.CHANGED
        assert await self.ids(server, board) == set()
        await self.nothing_remains(server, upload)

    async def test_replacements_and_new_pictures_may_share_a_batch(
        self, kind: Kind, board: Board, old: Item, upload: Upload
    ) -> None:
        assert kind.edit is not None
        other = self.upload_of(picture(4), "b.png")
        [doomed] = await self.send(kind.server, board, self.upload_of(picture(5), "c.png"))
        await kind.edit(doomed, picture(6))
        overtaken = replace(self.upload_of(picture(7)), replaces=doomed, trash_key=uuid4().hex)
        results = await kind.server.upload(board.board_id, [upload, overtaken, other])
        assert [one.outcome for one in results] == [
            Outcome.STORED,
            Outcome.CHANGED,
            Outcome.STORED,
        ]
        assert await self.ids(kind.server, board) == {old.item_id, "b.png", "c.png"}

    async def test_an_item_of_another_board_cannot_be_replaced(
        self, server: Server, old: Item, upload: Upload
    ) -> None:
        other = await server.create_board("another board")
        with pytest.raises(Bug):
            await server.upload(other.board_id, [upload])
        assert await self.ids(server, other) == set()

    async def test_versions_come_and_go_and_every_old_one_is_kept(
        self, server: Server, board: Board, old: Item
    ) -> None:
        item = old
        for number in range(2, 6):
            new = replace(self.upload_of(picture(number)), replaces=item, trash_key=uuid4().hex)
            [result] = await server.upload(board.board_id, [new])
            assert result.outcome is Outcome.STORED
            assert result.item is not None
            item = result.item
        assert await self.ids(server, board) == {old.item_id}
        for number in range(1, 5):
            [hit] = await server.find(self.upload_of(picture(number)).mark.token)
            assert hit.trashed
            assert await self.content(server, hit) == picture(number)

    async def nothing_remains(self, server: Server, upload: Upload) -> None:
        assert await server.find(upload.mark.token) == []

    async def content(self, server: Server, item: Item) -> bytes:
        sink = BytesIO()
        await server.download(item, sink)
        return sink.getvalue()
