"""A server in memory: the reference implementation of the port, with faults to order."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from boardsync.errors import (
    FileChanging,
    ItemChanged,
    OutcomeUnknown,
    ServerRefused,
    ServerUnreachable,
)
from boardsync.model import (
    Board,
    Capabilities,
    Download,
    Entry,
    Item,
    Listing,
    Mark,
    Outcome,
    ServerInfo,
    Upload,
    UploadResult,
)
from boardsync.servers.memory.changes import MemoryChanges
from boardsync.servers.memory.stock import TRASH
from boardsync.servers.port import BoardId

CAPABILITIES = Capabilities(
    kind="memory",
    marks_atomic=True,
    names_kept=False,
    mutable=False,
    reencodes=False,
    categories=True,
    early_visible=True,
    trash=True,
    moves=True,
    renames_boards=True,
    batch=8,
)
"""Items that never change, under ids of the server's own: like InvokeAI."""

NAMED = replace(CAPABILITIES, names_kept=True, mutable=True, categories=False)
"""Items that change, under the names of their files: like a directory."""

DELETING = replace(CAPABILITIES, trash=False, deletes=True)
"""Without a trash: what is deleted is deleted for good."""


class MemoryServer(MemoryChanges):
    """The port over dictionaries. `calls` counts its operations by name.

    capabilities: CAPABILITIES, NAMED, or a variant of one of them.
    """

    def __init__(
        self,
        name: str,
        capabilities: Capabilities = CAPABILITIES,
        clock_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(name, capabilities, clock_ms)
        self.calls: Counter[str] = Counter()
        self._late: list[tuple[BoardId, Upload]] = []

    def commit_late(self) -> None:
        """Store the uploads that were to be stored late."""
        late, self._late = self._late, []
        for board_id, upload in late:
            self._store(board_id, upload, whole=True)

    async def probe(self) -> ServerInfo:
        self._enter("probe")
        return ServerInfo("memory", "1", f"memory:{self.name}")

    async def boards(self) -> list[Board]:
        self._enter("boards")
        return [board for board in self._boards.values() if board.board_id is not None]

    async def board(self, board_id: BoardId) -> Board:
        self._enter("board")
        return self._require_board(board_id)

    async def create_board(self, name: str) -> Board:
        self._enter("create_board")
        board = self.add_board(name)
        if self.faults.spend("lost_boards"):
            raise OutcomeUnknown(f"board {name}: the answer was lost")
        return board

    async def listing(self, board_id: BoardId, known: str | None = None) -> Listing:
        self._enter("listing")
        self._require_board(board_id)
        held = [stored.item for stored in self._stock.on_board(board_id)]
        seen = [item for item in held if item.item_id not in self.faults.hidden]
        entries = tuple(Entry(item.item_id, item.version) for item in seen)
        body = "\n".join(f"{entry.item_id}\0{entry.version}" for entry in entries)
        digest = hashlib.sha256(body.encode("utf-8", "surrogateescape")).hexdigest()
        complete = len(seen) == len(held)
        return Listing(board_id, digest, None if digest == known else entries, complete)

    async def items(self, board_id: BoardId, item_ids: Sequence[str]) -> list[Item]:
        """Describe items: of this board where ids are names, else wherever they are now."""
        self._enter("items")
        return [stored.item for stored in self._known(board_id, item_ids)]

    async def marks(
        self, board_id: BoardId, item_ids: Sequence[str], described: Sequence[Item] = ()
    ) -> dict[str, Mark | None]:
        """Read marks; those in the trash only when it is named as the board."""
        del described  # looking costs nothing
        self._enter("marks")
        return {
            stored.item.item_id: stored.mark
            for stored in self._known(board_id, item_ids)
            if stored.item.trashed is (board_id == TRASH)
        }

    async def find(self, token: str) -> list[Item]:
        self._enter("find")
        return [
            stored.item
            for stored in self._stored.values()
            if stored.mark is not None and stored.mark.token == token
        ]

    async def matching(self, board_id: BoardId, term: str) -> set[str]:
        self._enter("matching")
        self._require_board(board_id)
        if not self.capabilities.categories:
            raise ServerRefused(f"server {self.name} cannot search for {term!r}")
        there = self._stock.on_board(board_id)
        return {stored.item.item_id for stored in there if self._mentions(stored, term)}

    async def starred(self, board_id: BoardId) -> set[str]:
        self._enter("starred")
        self._require_board(board_id)
        if not self.capabilities.categories:
            raise ServerRefused(f"server {self.name} has no stars")
        there = self._stock.on_board(board_id)
        return {stored.item.item_id for stored in there if stored.item.starred}

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        self._enter("upload")
        self._require_board(board_id)
        return [self._receive(board_id, upload) for upload in uploads]

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        self._enter("download")
        stored = self._require_item(item)
        if not stored.whole:
            raise FileChanging(f"item {item.item_id}: still being written on {self.name}")
        sink.write(stored.content)
        return Download(
            hashlib.sha256(stored.content).hexdigest(),
            len(stored.content),
            stored.item.width or 0,
            stored.item.height or 0,
            stored.item.extension,
        )

    async def complete(self, item: Item, *, glance: bool = False) -> bool:  # noqa: ARG002
        self._enter("complete")
        return self._require_item(item).whole

    async def delete_ghost(self, item: Item) -> None:
        self._enter("delete_ghost")
        stored = self._stock.get(item.board_id, item.item_id)
        if stored is not None and stored.whole:
            raise FileChanging(f"item {item.item_id}: became whole, so it is not deleted")
        if stored is not None:
            self._stock.drop(stored)

    async def move(self, item: Item, board_id: BoardId, name: str | None = None) -> Item:
        self._enter("move")
        return self._carried_out("moving", partial(self.change_place, item, board_id, name))

    async def trash(self, item: Item, key: str) -> str:
        self._enter("trash")
        return self._carried_out("removing", partial(self.put_away, item, key))

    async def in_trash(self, trashed_id: str) -> Item | None:
        self._enter("in_trash")
        stored = self._stock.get(TRASH, trashed_id)
        return stored.item if stored is not None and stored.item.trashed else None

    async def untrash(self, trashed_id: str, board_id: BoardId, name: str | None = None) -> Item:
        self._enter("untrash")
        change = partial(self.put_back, trashed_id, board_id, name)
        return self._carried_out("taking out of the trash", change)

    async def purge(self, trashed_id: str) -> None:
        self._enter("purge")
        self._carried_out("deleting for good", partial(self.delete_for_good, trashed_id))

    async def delete(self, item: Item) -> None:
        self._enter("delete")
        self._carried_out("deleting", partial(self.delete_item, item))

    async def rename_board(self, board_id: BoardId, name: str) -> Board:
        self._enter("rename_board")
        return self._carried_out("renaming", partial(self.change_name, board_id, name))

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    def _receive(self, board_id: BoardId, upload: Upload) -> UploadResult:
        reason = self.faults.refuses(upload)
        if reason is not None:
            return UploadResult(Outcome.REFUSED, error=ServerRefused(f"{upload.name}: {reason}"))
        lost = OutcomeUnknown(f"{upload.name}: the answer was lost")
        if self.faults.spend("lost_uploads"):
            return UploadResult(Outcome.UNKNOWN, error=lost)
        if self.faults.spend("late_uploads"):
            self._late.append((board_id, upload))
            return UploadResult(Outcome.UNKNOWN, error=lost)
        ghost = self.faults.spend("ghosts")
        try:
            outcome, item = self._store(board_id, upload, whole=not ghost)
        except ItemChanged as error:
            return UploadResult(Outcome.CHANGED, error=error)
        if self.faults.spend("lost_answers") or ghost:
            return UploadResult(Outcome.UNKNOWN, error=lost)
        return UploadResult(outcome, item)

    def _store(self, board_id: BoardId, upload: Upload, *, whole: bool) -> tuple[Outcome, Item]:
        if upload.replaces is not None:
            return self.take_place(board_id, upload, upload.replaces)
        known = self.known_upload(board_id, upload)
        if known is not None:
            return Outcome.EXISTED, known
        return Outcome.STORED, self.put_upload(board_id, upload, upload.name, whole=whole)

    def _enter(self, operation: str) -> None:
        self.calls[operation] += 1
        if self.faults.unreachable:
            raise ServerUnreachable(f"server {self.name}: connection refused")
        if self.faults.errors:
            raise self.faults.errors.pop(0)
