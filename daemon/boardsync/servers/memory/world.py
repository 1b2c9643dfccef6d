"""What lies behind the memory server: its boards and items, other users' hands, and its faults.

Deterministic: ids come from a counter and times from the clock it is given, so that a whole
engine replays exactly on it. It carries bytes and never looks into them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from boardsync.errors import BoardMissing, BoardsyncError, ItemMissing
from boardsync.model import Board, Capabilities, Category, Item, Mark, Upload
from boardsync.servers.port import BoardId


@dataclass(slots=True)
class Faults:
    """What goes wrong. Counters count down with each upload; the rest lasts until taken back.

    errors: raised one by one by the next calls, whichever they are (say, a ServerBusy with
    retry_after). lost_answers: stored, but the answer is UNKNOWN. lost_uploads: UNKNOWN and
    not stored. ghosts: UNKNOWN, listed, and not whole until `finish`. lost_boards: made, but
    the answer is lost. hidden: items that listings leave out, saying that they are incomplete.
    refuses: gives the reason why an upload is refused, or None.
    """

    unreachable: bool = False
    errors: list[BoardsyncError] = field(default_factory=list)
    lost_answers: int = 0
    lost_uploads: int = 0
    ghosts: int = 0
    lost_boards: int = 0
    hidden: set[str] = field(default_factory=set)
    refuses: Callable[[Upload], str | None] = lambda _upload: None

    def spend(self, counter: str) -> bool:
        """Count one of the numbered faults down; tell whether it strikes now."""
        left: int = getattr(self, counter)
        setattr(self, counter, max(left - 1, 0))
        return left > 0


@dataclass(slots=True)
class Stored:
    """An item with what a server keeps of it.

    whole=False: listed, its bytes not complete. metadata: searched as text, as is the mark.
    """

    item: Item
    content: bytes
    mark: Mark | None
    whole: bool = True
    metadata: str = ""


class MemoryWorld:
    """Boards and items in dictionaries, and the hands of other users upon them."""

    def __init__(self, name: str, capabilities: Capabilities, clock_ms: Callable[[], int]) -> None:
        self.name = name
        self.capabilities = capabilities
        self.faults = Faults()
        self._clock_ms = clock_ms
        self._boards: dict[BoardId, Board] = {}
        if capabilities.categories:
            self._boards[None] = Board(None, "Uncategorized")
        self._stored: dict[str, Stored] = {}
        self._made = 0

    def add_board(self, name: str) -> Board:
        """Make a board; two of one name are two boards."""
        board = Board(self._next_id("board"), name, created_ms=self._clock_ms())
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
        """Put an item on a board as another user would. `name` gives the extension only.

        whole=False imitates an item that is listed before its bytes are complete.
        """
        item = Item(
            self._next_id("item"),
            board_id,
            version="1" if self.capabilities.mutable else "",
            width=size[0],
            height=size[1],
            created_ms=self._clock_ms(),
            category=category.value if self.capabilities.categories else None,
            origin=origin,
            extension=f".{name.rpartition('.')[2].lower()}",
            size=len(content),
        )
        self._stored[item.item_id] = Stored(item, content, mark, whole, metadata)
        return item

    def replace(self, item_id: str, content: bytes) -> Item:
        """Change an item's bytes as its user would: a new version without a mark."""
        old = self._require_item(item_id).item
        item = replace(old, version=str(int(old.version or 0) + 1), size=len(content))
        self._stored[item_id] = Stored(item, content, None)
        return item

    def star(self, item_id: str, *, starred: bool = True) -> None:
        """Star an item, or take its star off, as another user would."""
        stored = self._require_item(item_id)
        stored.item = replace(stored.item, starred=starred)

    def finish(self, item_id: str) -> None:
        """Let an incomplete item become whole."""
        self._require_item(item_id).whole = True

    def remove(self, item_id: str) -> None:
        """Delete an item as another user would."""
        del self._stored[item_id]

    def drop_board(self, board_id: BoardId) -> None:
        """Delete a board with its items as another user would."""
        del self._boards[board_id]
        for item_id in [item.item_id for item in self._items() if item.board_id == board_id]:
            del self._stored[item_id]

    def _items(self) -> Iterator[Item]:
        return (stored.item for stored in self._stored.values())

    def _mentions(self, item: Item, board_id: BoardId, term: str) -> bool:
        stored = self._stored[item.item_id]
        text = f"{stored.metadata} {stored.mark}".lower()
        return item.board_id == board_id and term.lower() in text

    def _known(self, item_ids: Sequence[str]) -> Iterator[Stored]:
        return (self._stored[item_id] for item_id in item_ids if item_id in self._stored)

    def _require_board(self, board_id: BoardId) -> Board:
        if board_id not in self._boards:
            raise BoardMissing(f"server {self.name} has no board {board_id}")
        return self._boards[board_id]

    def _require_item(self, item_id: str) -> Stored:
        if item_id not in self._stored:
            raise ItemMissing(f"server {self.name} has no item {item_id}")
        return self._stored[item_id]

    def _next_id(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._made:06d}"
