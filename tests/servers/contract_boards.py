"""The contract of looking: who is there, boards, listings and items."""

from __future__ import annotations

import pytest

from boardsync.errors import BoardMissing, ServerRefused
from boardsync.model import Board
from boardsync.servers.port import Server
from servers.contract_kit import MANY, SIZE, Contract, Kind, picture


class LookingContract(Contract):
    """What is said of boards and items."""

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

    async def test_stars_are_told_as_they_are_now(self, kind: Kind, board: Board) -> None:
        if not kind.stars:
            with pytest.raises(ServerRefused, match="no stars"):
                await kind.server.starred(board.board_id)
            return
        if kind.star is None:
            pytest.skip("nobody stars items here")
        other = await kind.server.create_board("another board")
        first, second = [await kind.put(board.board_id, f"{n}.png", picture(n)) for n in (1, 2)]
        elsewhere = await kind.put(other.board_id, "3.png", picture(3))
        assert await kind.server.starred(board.board_id) == set()
        for item_id in (first, second, elsewhere):
            await kind.star(item_id, True)
        assert await kind.server.starred(board.board_id) == {first, second}
        await kind.star(first, False)
        assert await kind.server.starred(board.board_id) == {second}
        [item] = await kind.server.items(board.board_id, [second])
        assert item.starred

    async def test_any_number_of_items_can_be_asked_for(self, kind: Kind, board: Board) -> None:
        there = {await kind.put(board.board_id, f"other{n}.png", picture(n)) for n in range(1, 4)}
        asked = [f"{n:04d}-{kind.missing_item}" for n in range(MANY)] + sorted(there)
        items = await kind.server.items(board.board_id, asked)
        assert {item.item_id for item in items} == there
