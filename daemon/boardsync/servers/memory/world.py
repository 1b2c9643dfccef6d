"""What lies behind the memory server: its boards and items, and other users' hands upon them.

Deterministic: ids come from a counter and times from the clock it is given, so that a whole
engine replays exactly on it. It carries bytes and never looks into them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from boardsync.errors import BoardMissing, ItemMissing
from boardsync.model import Board, Capabilities, Category, Item, Mark
from boardsync.servers.memory.faults import Faults
from boardsync.servers.memory.stock import TRASH, Stock, Stored
from boardsync.servers.port import BoardId

Which = Item | str
"""An item, or its id where no other board has the same one."""


class MemoryWorld:
    """Boards and items in dictionaries, and what other users can do with them.

    Where names are kept, a board's name is its id, and an item's name is its id on its board.
    """

    def __init__(self, name: str, capabilities: Capabilities, clock_ms: Callable[[], int]) -> None:
        self.name = name
        self.capabilities = capabilities
        self.faults = Faults()
        self._clock_ms = clock_ms
        self._boards: dict[BoardId, Board] = {}
        self._former_names: dict[str, str] = {}
        if capabilities.categories:
            self._boards[None] = Board(None, "Uncategorized")
        self._stock = Stock(name, named=capabilities.names_kept)
        self._stored = self._stock.held
        self._made = 0
        self._versions = 0

    def add_board(self, name: str) -> Board:
        """Make a board; two of one name are two boards, unless names are kept."""
        if self.capabilities.names_kept and name in self._boards:
            return self._boards[name]
        board_id = name if self.capabilities.names_kept else self._next_id("board")
        board = Board(board_id, name, created_ms=self._clock_ms())
        self._boards[board.board_id] = board
        return board

    def put(
        self,
        board_id: BoardId,
        name: str,
        content: bytes,
        *,
        mark: Mark | None = None,
        category: Category = Category.GENERAL,
        origin: str = "internal",
        size: tuple[int, int] = (0, 0),
        whole: bool = True,
        metadata: str = "",
    ) -> Item:
        """Put an item on a board as another user would.

        `name` gives the extension only, unless names are kept; then a taken one gets a number.
        whole=False imitates an item that is listed before its bytes are complete.
        """
        item = Item(
            name if self.capabilities.names_kept else self._next_id("item"),
            board_id,
            version=self._next_version(),
            width=size[0],
            height=size[1],
            created_ms=self._clock_ms(),
            category=category.value if self.capabilities.categories else None,
            origin=origin,
            extension=f".{name.rpartition('.')[2].lower()}",
            size=len(content),
        )
        return self._stock.add(Stored(item, content, mark, whole, metadata))

    def replace(self, which: Which, content: bytes) -> Item:
        """Change an item's bytes as its user would: a new version without a mark."""
        stored = self._stock.one(which)
        item = replace(stored.item, version=self._next_version(), size=len(content))
        key = self._stock.key(item.board_id, item.item_id)
        self._stored[key] = Stored(item, content, None)
        return item

    def relocate(self, which: Which, board_id: BoardId, name: str | None = None) -> Item:
        """Move an item as another user would: to a board, out of the trash, to a name."""
        return self._stock.move(self._stock.one(which), board_id, name)

    def star(self, which: Which, *, starred: bool = True) -> None:
        """Star an item, or take its star off, as another user would."""
        stored = self._stock.one(which)
        stored.item = replace(stored.item, starred=starred)

    def finish(self, which: Which) -> None:
        """Let an incomplete item become whole."""
        self._stock.one(which).whole = True

    def remove(self, which: Which) -> None:
        """Delete an item for good as another user would, in the trash too."""
        self._stock.drop(self._stock.one(which))

    def drop_board(self, board_id: BoardId) -> None:
        """Delete a board with its items as another user would."""
        del self._boards[board_id]
        for stored in self._stock.on_board(board_id):
            self._stock.drop(stored)

    def call_board(self, board_id: BoardId, name: str) -> Board:
        """Give a board another name as another user would."""
        board = replace(self._require_board(board_id), name=name)
        if not self.capabilities.names_kept:
            self._boards[board_id] = board
            return board
        del self._boards[board_id]
        self._boards[name] = replace(board, board_id=name)
        for stored in self._stock.on_board(board_id):
            self._stock.move(stored, name)
        return self._boards[name]

    def on_board(self, board_id: BoardId) -> list[Stored]:
        """Return what lies on a board, with its bytes and marks, in the order it came."""
        return self._stock.on_board(board_id)

    def in_the_trash(self) -> list[Stored]:
        """Return what lies in the trash, with its bytes and marks, in the order it went there."""
        return self._stock.on_board(TRASH)

    def _items(self) -> Iterator[Item]:
        return (stored.item for stored in self._stored.values())

    def _mentions(self, stored: Stored, term: str) -> bool:
        return term.lower() in f"{stored.metadata} {stored.mark}".lower()

    def _known(self, board_id: BoardId, item_ids: Sequence[str]) -> Iterator[Stored]:
        found = (self._stock.get(board_id, item_id) for item_id in item_ids)
        return (stored for stored in found if stored is not None)

    def _require_board(self, board_id: BoardId) -> Board:
        if board_id not in self._boards:
            raise BoardMissing(f"server {self.name} has no board {board_id}")
        return self._boards[board_id]

    def _require_item(self, item: Item) -> Stored:
        found = self._stock.get(item.board_id, item.item_id)
        if found is None:
            raise ItemMissing(f"server {self.name} has no item {item.item_id}")
        return found

    def _next_id(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._made:06d}"

    def _next_version(self) -> str:
        """Return a version that nothing here had before; none where items never change."""
        if not self.capabilities.mutable:
            return ""
        self._versions += 1
        return str(self._versions)
