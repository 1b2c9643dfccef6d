"""What all wrappers share: every operation of the port goes through one method, `_call`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import BinaryIO, TypeVar

from boardsync.model import (
    Board,
    Capabilities,
    Download,
    Item,
    Listing,
    Mark,
    ServerInfo,
    Upload,
    UploadResult,
)
from boardsync.servers.port import BoardId, Server

T = TypeVar("T")


class Wrapper:
    """A server that does what `inner` does."""

    def __init__(self, inner: Server) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    async def _call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:  # noqa: ARG002
        """Carry out one operation of the port. `operation` is its name there."""
        return await call()

    async def probe(self) -> ServerInfo:
        return await self._call("probe", self._inner.probe)

    async def boards(self) -> list[Board]:
        return await self._call("boards", self._inner.boards)

    async def board(self, board_id: BoardId) -> Board:
        return await self._call("board", partial(self._inner.board, board_id))

    async def create_board(self, name: str) -> Board:
        return await self._call("create_board", partial(self._inner.create_board, name))

    async def listing(self, board_id: BoardId, known: str | None = None) -> Listing:
        return await self._call("listing", partial(self._inner.listing, board_id, known))

    async def items(self, board_id: BoardId, item_ids: Sequence[str]) -> list[Item]:
        return await self._call("items", partial(self._inner.items, board_id, item_ids))

    async def marks(
        self, board_id: BoardId, item_ids: Sequence[str], described: Sequence[Item] = ()
    ) -> dict[str, Mark | None]:
        return await self._call("marks", partial(self._inner.marks, board_id, item_ids, described))

    async def find(self, token: str) -> list[Item]:
        return await self._call("find", partial(self._inner.find, token))

    async def matching(self, board_id: BoardId, term: str) -> set[str]:
        return await self._call("matching", partial(self._inner.matching, board_id, term))

    async def starred(self, board_id: BoardId) -> set[str]:
        return await self._call("starred", partial(self._inner.starred, board_id))

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        return await self._call("upload", partial(self._inner.upload, board_id, uploads))

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        return await self._call("download", partial(self._inner.download, item, sink))

    async def complete(self, item: Item, *, glance: bool = False) -> bool:
        return await self._call("complete", partial(self._inner.complete, item, glance=glance))

    async def delete_ghost(self, item: Item) -> None:
        await self._call("delete_ghost", partial(self._inner.delete_ghost, item))

    async def move(self, item: Item, board_id: BoardId, name: str | None = None) -> Item:
        return await self._call("move", partial(self._inner.move, item, board_id, name))

    async def trash(self, item: Item, key: str) -> str:
        return await self._call("trash", partial(self._inner.trash, item, key))

    async def in_trash(self, trashed_id: str) -> Item | None:
        return await self._call("in_trash", partial(self._inner.in_trash, trashed_id))

    async def untrash(self, trashed_id: str, board_id: BoardId, name: str | None = None) -> Item:
        call = partial(self._inner.untrash, trashed_id, board_id, name)
        return await self._call("untrash", call)

    async def purge(self, trashed_id: str) -> None:
        await self._call("purge", partial(self._inner.purge, trashed_id))

    async def delete(self, item: Item) -> None:
        await self._call("delete", partial(self._inner.delete, item))

    async def rename_board(self, board_id: BoardId, name: str) -> Board:
        return await self._call("rename_board", partial(self._inner.rename_board, board_id, name))

    async def aclose(self) -> None:
        await self._inner.aclose()
