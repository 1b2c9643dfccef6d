"""What changes an item's place on a directory server: moves, removals, and the way back.

Nothing is ever copied or overwritten. Every step can be the last before a kill: the repeat,
with the same key or the same item, finds what is done and does the rest.
"""

from __future__ import annotations

import os
from contextlib import suppress

from boardsync.errors import ItemChanged, ItemMissing, Missing
from boardsync.files.durable import remove_if_there
from boardsync.model import Item
from boardsync.servers.directory.boards import DirectoryBoards, describe, describe_trashed
from boardsync.servers.directory.marks import holds, mark_path
from boardsync.servers.directory.moving import Mover
from boardsync.servers.directory.names import is_board_name, item_parts
from boardsync.servers.directory.origins import Origin, TrashedId, parse_id
from boardsync.servers.directory.removing import Remover
from boardsync.servers.directory.renames import take_name
from boardsync.servers.directory.trash import Entry
from boardsync.servers.directory.tree import Place
from boardsync.servers.directory.trouble import classified
from boardsync.servers.directory.versions import Versions, versions_now
from boardsync.servers.port import BoardId


class DirectoryChanges:
    """Moves and removals below one root. Every method blocks, and may run in any thread."""

    def __init__(self, boards: DirectoryBoards) -> None:
        self._boards = boards
        self._trash = boards.trash

    def move(self, item: Item, board_id: BoardId, name: str | None) -> Item:
        """Move an item to a board and a name. See `Server.move`."""
        if item.trashed:
            raise ItemMissing(f"{item.item_id}: in the trash, so it is on no board")
        board = self._boards.open(board_id, claim=True)
        mover = self._mover()
        goal = item.item_id if name is None else name
        try:
            source = self._boards.place(item)
            require_version(source, item, mover.versions)
        except (Missing, ItemChanged):
            place = self._arrived(mover, board, goal, item)
            if place is None:
                raise
        else:
            with classified(f"item {item.item_id}: moving it to board {board_id!r}"):
                place = mover.put(source, board, goal)
        return describe(board_id, place, mover.versions)

    def trash(self, item: Item, key: str) -> str:
        """Move an item to the trash. See `Server.trash`."""
        self._boards.require(claim=True)
        if item.trashed:
            return self._boards.place(item).item_id
        with classified(f"item {item.item_id}: putting it into the trash"):
            entry = self._trash.entry(key)
            return self._put_away(item, key) if entry is None else self._finish(item, entry)

    def in_trash(self, trashed_id: str) -> Item | None:
        """Describe what lies in the trash. See `Server.in_trash`."""
        self._boards.require()
        with classified(f"{trashed_id}: looking for it in the trash"):
            place = next(self._trash.places([trashed_id]), None)
        if place is None:
            self._boards.require()
            return None
        return describe_trashed(place, versions_now())

    def untrash(self, trashed_id: str, board_id: BoardId, name: str | None) -> Item:
        """Move something from the trash to a board. See `Server.untrash`."""
        board = self._boards.open(board_id, claim=True)
        parsed = self._parsed(trashed_id)
        goal = parsed.item_id if name is None else name
        mover = self._mover()
        with classified(f"{trashed_id}: taking it out of the trash"):
            entry = self._trash.entry(parsed.key)
            if entry is not None:
                place: Place | None = mover.put(entry.place, board, goal)
            else:
                place = mover.arrived(board, goal, parsed.version)
            if place is None:
                raise self._missing(trashed_id)
            self._trash.discard(parsed.key)
        return describe(board_id, place, mover.versions)

    def purge(self, trashed_id: str) -> None:
        """Delete something in the trash for good. See `Server.purge`."""
        self._boards.require()
        parsed = self._parsed(trashed_id)
        with classified(f"{trashed_id}: deleting it for good"):
            entry = self._trash.entry(parsed.key)
            if entry is None:
                self._trash.discard(parsed.key)
                raise self._missing(trashed_id)
            self._trash.remove(entry)

    def _mover(self) -> Mover:
        return Mover(self._boards.recall, versions_now())

    def _arrived(self, mover: Mover, board: str, goal: str, item: Item) -> Place | None:
        """Find an item where a move that was killed has put it."""
        with classified(f"item {item.item_id}: looking whether it was moved"):
            place = mover.arrived(board, goal, item.version)
            if place is not None:
                self._forget_mark(item, place)
            return place

    def _put_away(self, item: Item, key: str) -> str:
        source = self._boards.place(item)
        remover = self._remover(item)
        version = require_version(source, item, remover.mover.versions)
        remover.put_away(source, Origin(str(item.board_id), item.item_id, version), key)
        return str(TrashedId(key, version, item.item_id))

    def _finish(self, item: Item, entry: Entry) -> str:
        """Do what is left of a removal that was begun before, perhaps by a process long dead."""
        self._trash.settle(entry)
        if versions_now().of(entry.place.stat) not in (item.version, entry.origin.version):
            # Written to in the very moment it was removed: that content is nobody's to remove.
            self._remover(item).give_back(entry.key, item.item_id)
            raise ItemChanged(f"item {item.item_id}: changed while it was removed; look again")
        with suppress(Missing):
            source = self._boards.place(item)
            if os.path.samestat(source.stat, entry.place.stat):
                take_name(source.path, entry.place.stat)
        self._forget_mark(item, entry.place)
        return entry.place.item_id

    def _forget_mark(self, item: Item, moved: Place) -> None:
        """Remove the mark that a kill left where an item was, unless it lies there again."""
        record = self._boards.recall.record(moved, versions_now())
        parts = item_parts(item.item_id)
        if record is None or parts is None or not is_board_name(str(item.board_id)):
            return
        folder = os.path.join(self._boards.require(), str(item.board_id), *parts[:-1])
        path = os.path.join(folder, parts[-1])
        mark = mark_path(folder, parts[-1], record.mark.token)
        if os.path.lexists(mark) and not (os.path.lexists(path) and holds(path, record.digest)):
            remove_if_there(mark)

    def _remover(self, item: Item) -> Remover:
        return Remover(self._boards.open(item.board_id), self._trash, self._mover())

    def _parsed(self, trashed_id: str) -> TrashedId:
        parsed = parse_id(trashed_id)
        if parsed is None:
            raise self._missing(trashed_id)
        return parsed

    def _missing(self, trashed_id: str) -> ItemMissing:
        self._boards.require()
        return ItemMissing(f"{trashed_id}: not in the trash (any more)")


def require_version(place: Place, item: Item, versions: Versions) -> str:
    """Return the version of what lies there. Raises ItemChanged when it is not the item's."""
    version = versions.of(place.stat)
    if item.version not in ("", version):
        raise ItemChanged(f"item {item.item_id}: another version is there by now; look again")
    return version
