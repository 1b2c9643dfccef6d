"""What a memory server keeps: items by id, or by board and name where names are kept.

The trash is a board of its own that no list shows. What lies there has an id made of the key of
its removal where names are kept, and its own id everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from boardsync.errors import Ambiguous, ItemChanged, ItemMissing
from boardsync.model import Item, Mark
from boardsync.plan.names import numbered
from boardsync.servers.port import BoardId

TRASH: Final = ".trash"
MOST_NUMBERS = 10_000


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


class Stock:
    """The items of a server, in the order in which they came.

    named: ids are names, which are unique on one board only; otherwise ids are unique
    everywhere, and stay whatever happens to an item. held: by key, for whoever looks inside.
    """

    def __init__(self, label: str, *, named: bool) -> None:
        self.held: dict[str, Stored] = {}
        self._label = label
        self._named = named

    def key(self, board_id: BoardId, item_id: str) -> str:
        """Return the key under which an item is held."""
        return f"{board_id}/{item_id}" if self._named else item_id

    def get(self, board_id: BoardId, item_id: str) -> Stored | None:
        """Find an item: on a board where names are kept, and by its id there in the trash."""
        in_trash = self._named and item_id.startswith(f"{TRASH}/")
        return self.held.get(self.key(TRASH if in_trash else board_id, item_id))

    def on_board(self, board_id: BoardId) -> list[Stored]:
        """Return what lies on a board, or in the trash."""
        return [stored for stored in self.held.values() if stored.item.board_id == board_id]

    def one(self, which: Item | str) -> Stored:
        """Find an item, or the only one of an id. Raises ItemMissing, Ambiguous."""
        if isinstance(which, Item):
            found = self.get(which.board_id, which.item_id)
            candidates = [] if found is None else [found]
        else:
            candidates = [one for one in self.held.values() if one.item.item_id == which]
        if not candidates:
            raise ItemMissing(f"server {self._label} has no item {which}")
        if len(candidates) > 1:
            boards = [str(one.item.board_id) for one in candidates]
            raise Ambiguous(f"several items are called {which}: give the item", boards)
        return candidates[0]

    def meant(self, item: Item) -> Stored:
        """Find an item as it was seen. Raises ItemMissing, ItemChanged."""
        found = self.get(item.board_id, item.item_id)
        if found is None or found.item.trashed:
            raise ItemMissing(f"server {self._label} has no item {item.item_id} on a board")
        if item.version not in ("", found.item.version):
            raise ItemChanged(f"item {item.item_id}: another version is there by now")
        if found.item.board_id != item.board_id:
            raise ItemChanged(f"item {item.item_id}: it is on another board by now")
        return found

    def add(self, stored: Stored) -> Item:
        """Hold an item, under the next free name where names are kept."""
        board_id, wanted = stored.item.board_id, stored.item.item_id
        if self._named:
            name = next(name for name in names(wanted) if not self.get(board_id, name))
            stored.item = replace(stored.item, item_id=name)
        self.held[self.key(board_id, stored.item.item_id)] = stored
        return stored.item

    def drop(self, stored: Stored) -> None:
        """Let go of an item."""
        del self.held[self.key(stored.item.board_id, stored.item.item_id)]

    def move(self, stored: Stored, board_id: BoardId, name: str | None = None) -> Item:
        """Put an item on a board, under a name or the next free one where names are kept."""
        item = stored.item
        goal = (name or item.item_id) if self._named else item.item_id
        if (item.board_id, item.item_id) == (board_id, goal):
            return item
        key = self.key(item.board_id, item.item_id)
        del self.held[key]
        stored.item = replace(item, board_id=board_id, item_id=goal, trashed=board_id == TRASH)
        return self.add(stored)

    def arrived(self, board_id: BoardId, name: str, version: str) -> Stored | None:
        """Find what was moved to a name, or a numbered one, by its version."""
        if not version or not self._named:
            return None
        there = {one.item.item_id: one for one in self.on_board(board_id)}
        tried = (there[one] for one in names(name) if one in there)
        return next((one for one in tried if one.item.version == version), None)

    def removed(self, key: str) -> Stored | None:
        """Find what was removed under a key, where names are kept."""
        start = f"{TRASH}/{key}/"
        return next(
            (one for one in self.on_board(TRASH) if one.item.item_id.startswith(start)), None
        )


def trashed_id(key: str, item: Item) -> str:
    """Return the id of an item in the trash, where names are kept."""
    return f"{TRASH}/{key}/{item.version}/{item.item_id}"


def origin(trashed: str) -> tuple[str, str]:
    """Return the version and the name that something in the trash had on its board."""
    _, _, version, name = trashed.split("/", 3)
    return version, name


def names(wanted: str) -> Iterator[str]:
    """Give a name and its numbered variants, in the order in which they are tried."""
    yield wanted
    folder, slash, name = wanted.rpartition("/")
    for number in range(2, MOST_NUMBERS):
        yield folder + slash + numbered(name, number)
