"""Putting a picture of a board into the trash, and back when it was not the one that was meant."""

from __future__ import annotations

import os
from dataclasses import dataclass

from boardsync.errors import ItemChanged
from boardsync.servers.directory.moving import Mover
from boardsync.servers.directory.origins import Origin
from boardsync.servers.directory.trash import Trash
from boardsync.servers.directory.tree import Place


@dataclass(frozen=True, slots=True)
class Remover:
    """Removes pictures from one board, whose directory is `board`."""

    board: str
    trash: Trash
    mover: Mover

    def put_away(self, source: Place, origin: Origin, key: str) -> None:
        """Move a picture to the trash under a key that holds none yet.

        Raises ItemChanged, with the picture on its board, when it changed since it was looked
        at; ItemMissing.
        """
        folder = self.trash.prepare(key, origin)
        record = self.mover.recall.record(source, self.mover.versions)
        try:
            target = os.path.join(folder, source.name)
            self.mover.rename_to_our_place(source, target, record)
        except ItemChanged:
            self.give_back(key, origin.item_id)
            raise
        except BaseException:
            self.trash.discard(key)
            raise

    def give_back(self, key: str, item_id: str) -> None:
        """Put what must not stay in the trash onto the board, beside whatever has its name."""
        entry = self.trash.entry(key)
        if entry is not None:
            self.mover.put(entry.place, self.board, item_id)
        self.trash.discard(key)
