"""The contract of moving: items between boards and names, and boards between names."""

from __future__ import annotations

from io import BytesIO

import pytest

from boardsync.errors import BoardMissing, ItemChanged, ItemMissing, Missing, ServerRefused
from boardsync.model import Board, Item
from boardsync.servers.port import BoardId, Server
from picture_samples import opened
from servers.contract_kit import Contract, Kind, picture


class MovingContract(Contract):
    """What becomes of items and boards that are moved and renamed."""

    @pytest.fixture
    async def other(self, kind: Kind) -> Board:
        return await kind.server.create_board("another board")

    @pytest.fixture(autouse=True)
    def moving(self, kind: Kind) -> None:
        assert kind.server.capabilities.moves, "the parts below are for kinds that can move"

    async def test_a_moved_item_is_on_its_new_board_only(
        self, server: Server, board: Board, other: Board
    ) -> None:
        upload = self.upload_of(picture())
        [item] = await self.send(server, board, upload)
        moved = await server.move(item, other.board_id)
        assert (moved.board_id, moved.trashed) == (other.board_id, False)
        assert await self.ids(server, board) == set()
        assert await self.ids(server, other) == {moved.item_id}
        [seen] = await server.items(other.board_id, [moved.item_id])
        assert self.seen(seen) == self.seen(moved)

    async def test_a_moved_item_keeps_its_bytes_its_version_and_its_mark(
        self, server: Server, board: Board, other: Board
    ) -> None:
        upload = self.upload_of(picture())
        [item] = await self.send(server, board, upload)
        moved = await server.move(item, other.board_id)
        assert moved.version == item.version
        assert await server.marks(other.board_id, [moved.item_id]) == {moved.item_id: upload.mark}
        [found] = await server.find(upload.mark.token)
        assert (found.item_id, found.board_id) == (moved.item_id, other.board_id)
        assert await self.pixels(server, moved) == opened(picture()).tobytes()

    async def test_a_move_takes_a_name_where_names_are_kept(
        self, server: Server, board: Board
    ) -> None:
        upload = self.upload_of(picture(), "sub/a.png")
        [item] = await self.send(server, board, upload)
        moved = await server.move(item, board.board_id, "other/b.png")
        kept = server.capabilities.names_kept
        assert moved.item_id == ("other/b.png" if kept else item.item_id)
        assert await self.ids(server, board) == {moved.item_id}
        assert await server.marks(board.board_id, [moved.item_id]) == {moved.item_id: upload.mark}

    async def test_a_move_never_replaces_what_has_the_name(
        self, server: Server, board: Board, other: Board
    ) -> None:
        theirs, ours = self.upload_of(picture(1), "a.png"), self.upload_of(picture(2), "a.png")
        [there] = await self.send(server, other, theirs)
        [item] = await self.send(server, board, ours)
        moved = await server.move(item, other.board_id)
        marks = await server.marks(other.board_id, [there.item_id, moved.item_id])
        assert marks == {there.item_id: theirs.mark, moved.item_id: ours.mark}
        if server.capabilities.names_kept:
            assert (there.item_id, moved.item_id) == ("a.png", "a (2).png")

    async def test_a_move_to_where_it_is_changes_nothing(
        self, server: Server, board: Board
    ) -> None:
        [item] = await self.send(server, board, self.upload_of(picture(), "a.png"))
        before = await server.listing(board.board_id)
        assert self.seen(await server.move(item, board.board_id)) == self.seen(item)
        assert self.seen(await server.move(item, board.board_id, "a.png")) == self.seen(item)
        assert await server.listing(board.board_id) == before

    async def test_a_numbered_item_that_wants_its_taken_name_stays(
        self, server: Server, board: Board
    ) -> None:
        uploads = [self.upload_of(picture(n), "a.png") for n in (1, 2)]
        items = await self.send(server, board, *uploads)
        moved = await server.move(items[1], board.board_id, "a.png")
        assert moved.item_id == items[1].item_id
        assert await self.ids(server, board) == {item.item_id for item in items}

    async def test_a_repeated_move_finds_the_item_where_it_went(
        self, kind: Kind, board: Board, other: Board
    ) -> None:
        server = kind.server
        await kind.put(other.board_id, "a.png", picture(1))
        [item] = await self.send(server, board, self.upload_of(picture(2), "a.png"))
        moved = await server.move(item, other.board_id)
        assert await server.move(item, other.board_id) == moved
        assert len(await self.ids(server, other)) == 2

    async def test_moving_a_missing_item_says_so(
        self, kind: Kind, board: Board, other: Board
    ) -> None:
        for version in ("", "1-1-1"):
            missing = Item(kind.missing_item, board.board_id, version)
            with pytest.raises(ItemMissing):
                await kind.server.move(missing, other.board_id)

    async def test_moving_to_a_missing_board_says_so_and_moves_nothing(
        self, kind: Kind, board: Board
    ) -> None:
        [item] = await self.send(kind.server, board, self.upload_of(picture()))
        with pytest.raises(BoardMissing):
            await kind.server.move(item, kind.missing_board)
        assert await self.ids(kind.server, board) == {item.item_id}

    async def test_an_item_that_changed_since_is_not_moved(
        self, kind: Kind, board: Board, other: Board
    ) -> None:
        if kind.edit is None:
            pytest.skip("items never change here")
        [item] = await self.send(kind.server, board, self.upload_of(picture(1)))
        await kind.edit(item, picture(2))
        with pytest.raises(ItemChanged):
            await kind.server.move(item, other.board_id)
        assert await self.ids(kind.server, board) == {item.item_id}
        assert await self.ids(kind.server, other) == set()

    async def test_an_item_that_somebody_moved_meanwhile_stays_where_they_put_it(
        self, kind: Kind, board: Board, other: Board
    ) -> None:
        third = await kind.server.create_board("third board")
        [item] = await self.send(kind.server, board, self.upload_of(picture()))
        theirs = await kind.server.move(item, third.board_id)
        with pytest.raises((ItemChanged, ItemMissing)):
            await kind.server.move(item, other.board_id)
        assert await self.ids(kind.server, third) == {theirs.item_id}

    async def test_items_move_off_all_boards_and_back_where_there_is_such_a_place(
        self, server: Server, board: Board
    ) -> None:
        if not server.capabilities.categories:
            pytest.skip("every item is on a board")
        [item] = await self.send(server, board, self.upload_of(picture()))
        loose = await server.move(item, None)
        assert loose.board_id is None
        assert await self.ids(server, board) == set()
        assert (await server.move(loose, board.board_id)).board_id == board.board_id
        assert await self.ids(server, board) == {item.item_id}

    async def test_a_renamed_board_keeps_its_items_and_their_marks(
        self, server: Server, board: Board
    ) -> None:
        upload = self.upload_of(picture(), "sub/a.png")
        [item] = await self.send(server, board, upload)
        renamed = await server.rename_board(board.board_id, "Čeština & more")
        assert renamed.name == "Čeština & more"
        by_id = {one.board_id: one.name for one in await server.boards()}
        assert by_id[renamed.board_id] == renamed.name
        assert [name for board_id, name in by_id.items() if board_id == board.board_id] == (
            [] if server.capabilities.names_kept else [renamed.name]
        )
        assert await self.ids(server, renamed) == {item.item_id}
        assert await server.marks(renamed.board_id, [item.item_id]) == {item.item_id: upload.mark}
        [seen] = await server.items(renamed.board_id, [item.item_id])
        assert seen.version == item.version
        assert [one.board_id for one in await server.find(upload.mark.token)] == [renamed.board_id]

    async def test_renaming_a_board_again_gives_the_same_answer(
        self, server: Server, board: Board
    ) -> None:
        await self.send(server, board, self.upload_of(picture()))
        first = await server.rename_board(board.board_id, "renamed board")
        again = await server.rename_board(board.board_id, "renamed board")
        assert (again.board_id, again.name) == (first.board_id, first.name)
        assert len(await self.ids(server, again)) == 1

    async def test_a_board_is_never_renamed_over_another_where_names_are_kept(
        self, server: Server, board: Board, other: Board
    ) -> None:
        if not server.capabilities.names_kept:
            pytest.skip("boards may share a name")
        with pytest.raises(ServerRefused, match="there already"):
            await server.rename_board(board.board_id, other.name)
        assert {one.name for one in await server.boards()} == {board.name, other.name}

    async def test_renaming_a_missing_board_says_so(self, kind: Kind) -> None:
        with pytest.raises(Missing):
            await kind.server.rename_board(kind.missing_board, "renamed")

    async def test_a_place_without_a_name_cannot_be_renamed(self, server: Server) -> None:
        nowhere: BoardId = None
        with pytest.raises((ServerRefused, BoardMissing)):
            await server.rename_board(nowhere, "renamed")

    async def pixels(self, server: Server, item: Item) -> bytes:
        sink = BytesIO()
        await server.download(item, sink)
        return opened(sink.getvalue()).tobytes()
