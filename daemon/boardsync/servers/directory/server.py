"""The directory kind behind the port: all disk work happens in threads, a batch at a time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import BinaryIO

from boardsync.errors import Bug, ServerRefused
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
from boardsync.servers.directory.boards import DirectoryBoards, Ways
from boardsync.servers.directory.changes import DirectoryChanges
from boardsync.servers.directory.receiving import Receiving
from boardsync.servers.directory.renaming import rename_board
from boardsync.servers.directory.root import Root
from boardsync.servers.directory.tree import Scandir
from boardsync.servers.port import BoardId

CAPABILITIES = Capabilities(
    kind="directory",
    marks_atomic=False,
    names_kept=True,
    mutable=True,
    reencodes=False,
    categories=False,
    early_visible=True,
    trash=True,
    changes_at_once=32,
    moves=True,
    renames_boards=True,
    batch=32,
)
"""Marks are not stored in one step with the bytes, but always before them. Items of other
programs are listed while they are being written; ours never are."""


class DirectoryServer:
    """A directory, local or on a NAS, whose sub-directories are boards.

    path: has to exist; nothing is created there but boards, their items and our hidden files.
    used_before: whether the caller remembers boards of this server; then a directory without
    our marker is a disk that is not mounted, and never an empty server. scandir, clock_ns:
    the disk's listing and the wall clock, for tests.
    """

    def __init__(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        used_before: bool = False,
        max_bytes: int = 512 << 20,
        scandir: Scandir = os.scandir,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self.capabilities = replace(CAPABILITIES, directory=os.path.abspath(path))
        root = Root(name, os.path.abspath(path), used_before=used_before)
        self._boards = DirectoryBoards(name, root, Ways(scandir, clock_ns, max_bytes))
        self._receiving = Receiving(self._boards, clock_ns)
        self._changes = DirectoryChanges(self._boards)

    async def probe(self) -> ServerInfo:
        return await asyncio.to_thread(self._boards.probe)

    async def boards(self) -> list[Board]:
        """List the boards by name: a directory's age does not last."""
        return await asyncio.to_thread(self._boards.all)

    async def board(self, board_id: BoardId) -> Board:
        return await asyncio.to_thread(self._boards.one, board_id)

    async def create_board(self, name: str) -> Board:
        """Make a board, or return the one of that name. Raises ServerRefused for a bad name."""
        return await asyncio.to_thread(self._boards.create, name)

    async def listing(self, board_id: BoardId, known: str | None = None) -> Listing:
        return await asyncio.to_thread(self._boards.listing, board_id, known)

    async def items(self, board_id: BoardId, item_ids: Sequence[str]) -> list[Item]:
        return await asyncio.to_thread(self._boards.items, board_id, item_ids)

    async def marks(
        self, board_id: BoardId, item_ids: Sequence[str], described: Sequence[Item] = ()
    ) -> dict[str, Mark | None]:
        del described  # looking costs nothing
        return await asyncio.to_thread(self._boards.marks, board_id, item_ids)

    async def find(self, token: str) -> list[Item]:
        return await asyncio.to_thread(self._boards.find, token)

    async def matching(self, board_id: BoardId, term: str) -> set[str]:
        """Refuse: files have no metadata that could be searched."""
        raise ServerRefused(
            f"board {board_id!r}: a directory cannot search for {term!r}; "
            "take `search` out of the mirror's settings"
        )

    async def starred(self, board_id: BoardId) -> set[str]:
        """Refuse: files have no stars."""
        raise ServerRefused(
            f"board {board_id!r}: a directory has no stars; "
            "take `starred_only` out of the mirror's settings"
        )

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        if len(uploads) > self.capabilities.batch:
            raise Bug(f"{len(uploads)} uploads in one batch of at most {self.capabilities.batch}")
        return await asyncio.to_thread(self._receiving.receive, board_id, uploads)

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        return await asyncio.to_thread(self._boards.download, item, sink)

    async def complete(self, item: Item, *, glance: bool = False) -> bool:  # noqa: ARG002
        return await asyncio.to_thread(self._boards.complete, item)

    async def delete_ghost(self, item: Item) -> None:
        await asyncio.to_thread(self._boards.delete_ghost, item)

    async def move(self, item: Item, board_id: BoardId, name: str | None = None) -> Item:
        return await asyncio.to_thread(self._changes.move, item, board_id, name)

    async def trash(self, item: Item, key: str) -> str:
        return await asyncio.to_thread(self._changes.trash, item, key)

    async def in_trash(self, trashed_id: str) -> Item | None:
        return await asyncio.to_thread(self._changes.in_trash, trashed_id)

    async def untrash(self, trashed_id: str, board_id: BoardId, name: str | None = None) -> Item:
        return await asyncio.to_thread(self._changes.untrash, trashed_id, board_id, name)

    async def purge(self, trashed_id: str) -> None:
        await asyncio.to_thread(self._changes.purge, trashed_id)

    async def delete(self, item: Item) -> None:
        """Refuse: there is a trash, and what is purged from there has lain there before."""
        raise ServerRefused(f"{item.item_id}: is put into the trash first, then purged")

    async def rename_board(self, board_id: BoardId, name: str) -> Board:
        """Rename a board; its id, which is its name, changes with it."""
        return await asyncio.to_thread(rename_board, self._boards, board_id, name)

    async def aclose(self) -> None:
        """Do nothing: nothing is held open between calls."""
