"""Moves, removals and renamings on a memory server, each with answers that can get lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from boardsync.errors import Bug, ItemChanged, ItemMissing, OutcomeUnknown, ServerRefused
from boardsync.model import Board, Item, Outcome, Upload
from boardsync.servers.memory.stock import TRASH, Stored, names, origin, trashed_id
from boardsync.servers.memory.world import MemoryWorld
from boardsync.servers.port import BoardId

T = TypeVar("T")


class MemoryChanges(MemoryWorld):
    """What the port's changing operations do, without their faults."""

    def change_place(self, item: Item, board_id: BoardId, name: str | None) -> Item:
        """Move an item. A repeat finds it where it went."""
        if not self.capabilities.moves:
            raise ServerRefused(f"server {self.name} cannot move items")
        self._require_board(board_id)
        goal = item.item_id if name is None else name
        there = self._stock.get(board_id, item.item_id)
        if not self.capabilities.names_kept and there and there.item.board_id == board_id:
            return there.item
        try:
            stored = self._stock.meant(item)
        except ItemMissing:
            arrived = self._stock.arrived(board_id, goal, item.version)
            if arrived is None:
                raise
            return arrived.item
        return self._stock.move(stored, board_id, goal)

    def put_away(self, item: Item, key: str) -> str:
        """Move an item to the trash. A repeat finds it there."""
        if not self.capabilities.trash:
            raise ServerRefused(f"server {self.name} has no trash")
        named = self.capabilities.names_kept
        found = self._stock.removed(key) if named else self._stock.get(None, item.item_id)
        if found is not None and found.item.trashed:
            return found.item.item_id
        stored = self._stock.meant(item)
        return self._stock.move(
            stored, TRASH, trashed_id(key, stored.item) if named else None
        ).item_id

    def put_back(self, trashed: str, board_id: BoardId, name: str | None) -> Item:
        """Move something from the trash to a board. A repeat finds it there."""
        self._require_board(board_id)
        stored = self._stock.get(TRASH, trashed)
        if not self.capabilities.names_kept:
            if stored is None or stored.item.board_id not in (TRASH, board_id):
                raise ItemMissing(f"{trashed}: not in the trash")
            return self._stock.move(stored, board_id)
        version, own_name = _origin(trashed)
        goal = own_name if name is None else name
        if stored is not None:
            return self._stock.move(stored, board_id, goal)
        arrived = self._stock.arrived(board_id, goal, version)
        if arrived is None:
            raise ItemMissing(f"{trashed}: not in the trash (any more)")
        return arrived.item

    def delete_for_good(self, trashed: str) -> None:
        """Delete something that lies in the trash."""
        stored = self._stock.get(TRASH, trashed)
        if stored is None:
            raise ItemMissing(f"{trashed}: not in the trash (any more)")
        if not stored.item.trashed:
            raise ServerRefused(f"{trashed}: not in the trash, so it is kept")
        self._stock.drop(stored)

    def delete_item(self, item: Item) -> None:
        """Delete an item of a board for good, where there is no trash."""
        if not self.capabilities.deletes:
            raise ServerRefused(f"server {self.name} has a trash, or keeps everything")
        self._stock.drop(self._stock.meant(item))

    def change_name(self, board_id: BoardId, name: str) -> Board:
        """Rename a board. A repeat finds it under its new name."""
        was = self._former_names.get(name)
        if board_id not in self._boards and name in self._boards and was == board_id:
            return self._boards[name]
        board = self._require_board(board_id)
        if board_id is None:
            raise ServerRefused("Uncategorized is no board of its own and cannot be renamed")
        if self.capabilities.names_kept and name != board.name:
            if name in self._boards:
                raise ServerRefused(f"board {board.name!r}: {name!r} is there already")
            self._former_names[name] = board.name
        return self.call_board(board_id, name)

    def take_place(self, board_id: BoardId, upload: Upload, old: Item) -> tuple[Outcome, Item]:
        """Store an upload in the place of an item. Raises ItemChanged, with nothing stored."""
        if not self.capabilities.names_kept or old.board_id != board_id:
            raise Bug(f"{upload.name}: it replaces nothing that this board could have")
        there = self._stock.get(board_id, old.item_id)
        if there is not None and self._is_same(there, upload):
            return Outcome.EXISTED, there.item
        if there is None or there.item.version != old.version:
            raise ItemChanged(f"item {old.item_id}: another version is there by now")
        if self.capabilities.trash:
            self._stock.move(there, TRASH, trashed_id(upload.trash_key, old))
        else:
            self._stock.drop(there)
        return Outcome.STORED, self.put_upload(board_id, upload, old.item_id)

    def put_upload(
        self, board_id: BoardId, upload: Upload, name: str, *, whole: bool = True
    ) -> Item:
        """Store what was uploaded."""
        return self.put(
            board_id,
            name,
            upload.content,
            mark=upload.mark,
            category=upload.category,
            origin="external",
            size=(upload.width, upload.height),
            whole=whole,
        )

    def known_upload(self, board_id: BoardId, upload: Upload) -> Item | None:
        """Find an upload that is there already, where names are kept; nobody's gets its mark."""
        if not self.capabilities.names_kept:
            return None
        for name in names(upload.name):
            there = self._stock.get(board_id, name)
            if there is None:
                return None
            if there.content == upload.content and there.mark is None:
                there.mark = upload.mark
            if self._is_same(there, upload):
                return there.item
        return None

    def _is_same(self, stored: Stored, upload: Upload) -> bool:
        mark = stored.mark
        same = mark is not None and mark.token == upload.mark.token
        return same and stored.content == upload.content

    def _carried_out(self, words: str, change: Callable[[], T]) -> T:
        """Make a change, unless it gets lost on the way; its answer may be lost, too."""
        lost = OutcomeUnknown(f"server {self.name}: {words}: the answer was lost")
        if self.faults.spend("dropped_changes"):
            raise lost
        result = change()
        if self.faults.spend("lost_changes"):
            raise lost
        return result


def _origin(trashed: str) -> tuple[str, str]:
    if trashed.count("/") < 3 or not trashed.startswith(f"{TRASH}/"):
        raise ItemMissing(f"{trashed}: not in the trash")
    return origin(trashed)
