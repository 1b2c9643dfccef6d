"""A server in memory: the reference implementation of the port, with faults to order."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import BinaryIO

from boardsync.errors import FileChanging, OutcomeUnknown, ServerRefused, ServerUnreachable
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
from boardsync.servers.memory.world import MemoryWorld
from boardsync.servers.port import BoardId

CAPABILITIES = Capabilities(
    kind="memory",
    marks_atomic=True,
    names_kept=False,
    mutable=False,
    reencodes=False,
    categories=True,
    early_visible=True,
    batch=8,
)


class MemoryServer(MemoryWorld):
    """The port over dictionaries. `calls` counts its operations by name."""

    def __init__(
        self,
        name: str,
        capabilities: Capabilities = CAPABILITIES,
        clock_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(name, capabilities, clock_ms)
        self.calls: Counter[str] = Counter()

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
        held = [item for item in self._items() if item.board_id == board_id]
        seen = [item for item in held if item.item_id not in self.faults.hidden]
        entries = tuple(Entry(item.item_id, item.version) for item in seen)
        body = "\n".join(f"{entry.item_id}\0{entry.version}" for entry in entries)
        digest = hashlib.sha256(body.encode()).hexdigest()
        complete = len(seen) == len(held)
        return Listing(board_id, digest, None if digest == known else entries, complete)

    async def items(self, board_id: BoardId, item_ids: Sequence[str]) -> list[Item]:
        """Describe items wherever they are now: an id is unique on the server."""
        del board_id
        self._enter("items")
        return [stored.item for stored in self._known(item_ids)]

    async def marks(self, board_id: BoardId, item_ids: Sequence[str]) -> dict[str, Mark | None]:
        del board_id
        self._enter("marks")
        return {stored.item.item_id: stored.mark for stored in self._known(item_ids)}

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
        return {item.item_id for item in self._items() if self._mentions(item, board_id, term)}

    async def starred(self, board_id: BoardId) -> set[str]:
        self._enter("starred")
        self._require_board(board_id)
        return {one.item_id for one in self._items() if one.board_id == board_id and one.starred}

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        self._enter("upload")
        self._require_board(board_id)
        return [self._receive(board_id, upload) for upload in uploads]

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        self._enter("download")
        stored = self._require_item(item.item_id)
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

    async def complete(self, item: Item) -> bool:
        self._enter("complete")
        return self._require_item(item.item_id).whole

    async def delete_ghost(self, item: Item) -> None:
        self._enter("delete_ghost")
        stored = self._stored.get(item.item_id)
        if stored is not None and stored.whole:
            raise FileChanging(f"item {item.item_id}: became whole, so it is not deleted")
        self._stored.pop(item.item_id, None)

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    def _receive(self, board_id: BoardId, upload: Upload) -> UploadResult:
        reason = self.faults.refuses(upload)
        if reason is not None:
            return UploadResult(Outcome.REFUSED, error=ServerRefused(f"{upload.name}: {reason}"))
        lost = OutcomeUnknown(f"{upload.name}: the answer was lost")
        if self.faults.spend("lost_uploads"):
            return UploadResult(Outcome.UNKNOWN, error=lost)
        ghost = self.faults.spend("ghosts")
        item = self.put(
            board_id,
            upload.name,
            upload.content,
            mark=upload.mark,
            category=upload.category,
            origin="external",
            size=(upload.width, upload.height),
            whole=not ghost,
        )
        if self.faults.spend("lost_answers") or ghost:
            return UploadResult(Outcome.UNKNOWN, error=lost)
        return UploadResult(Outcome.STORED, item)

    def _enter(self, operation: str) -> None:
        self.calls[operation] += 1
        if self.faults.unreachable:
            raise ServerUnreachable(f"server {self.name}: connection refused")
        if self.faults.errors:
            raise self.faults.errors.pop(0)
