"""The contract of fetching: whole pictures, and what is not whole."""

from __future__ import annotations

import asyncio
import hashlib
from io import BytesIO

import pytest

from boardsync.errors import (
    FileChanging,
    ItemMissing,
    Refused,
)
from boardsync.formats.whole import check
from boardsync.model import Board, Item
from boardsync.servers.port import Server
from picture_samples import opened
from servers.contract_kit import SIZE, Contract, Kind, picture


class FetchingContract(Contract):
    """What comes back."""

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

    async def test_a_stored_picture_is_complete(self, server: Server, board: Board) -> None:
        [item] = await self.send(server, board, self.upload_of(picture()))
        assert await server.complete(item)
        assert await server.complete(item, glance=True)

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
        assert not await kind.server.complete(ghost, glance=True)
        with pytest.raises((FileChanging, Refused)):
            await kind.server.download(ghost, BytesIO())
        await kind.server.delete_ghost(ghost)
        await kind.server.delete_ghost(ghost)
        assert await self.ids(kind.server, board) == {kept.item_id}
        assert await kind.server.find(upload.mark.token) == []
