"""Storing an upload in the place of an item, which goes to the trash: one step, or none.

    record and mark of the old in the trash -> the new waits there, whole -> mark of the new
    -> both swap their places -> look whether what came out is what was meant

There is no moment at which neither or only half of them is there, and whatever somebody puts at
the name meanwhile comes out too: it is put back. Filesystems that cannot swap (network ones)
take one step more: the old goes to the trash first, then the new gets the free name.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace

from boardsync.errors import ItemChanged, ItemMissing
from boardsync.files.durable import move_without_replacing, remove_if_there
from boardsync.model import Item, Outcome, Upload
from boardsync.servers.directory.marks import marks_folder, write_mark
from boardsync.servers.directory.moving import Mover, forget_mark
from boardsync.servers.directory.names import require_item_name
from boardsync.servers.directory.origins import Incoming, Origin
from boardsync.servers.directory.removing import Remover
from boardsync.servers.directory.renames import exchange, take_name
from boardsync.servers.directory.store import Store, checked_digest, written
from boardsync.servers.directory.trash import Entry, Trash
from boardsync.servers.directory.tree import Place, places


@dataclass(frozen=True, slots=True)
class Replacement:
    """What is to happen. old: as it was seen when this was decided."""

    upload: Upload
    digest: str
    old: Item
    key: str


@dataclass(frozen=True, slots=True)
class Replacing:
    """Replaces items on one board."""

    board_id: str
    store: Store
    trash: Trash

    def receive(self, upload: Upload, old: Item) -> tuple[Outcome, Place]:
        """Store an upload in the place of an item of this board.

        Raises ItemChanged, with nothing stored, when another version lies there, or nothing.
        """
        require_item_name(old.item_id)
        meant = Replacement(upload, checked_digest(upload), old, upload.trash_key)
        place = next(places(self.store.board, [meant.old.item_id]), None)
        if place is not None and self._is_there(place, meant):
            self._finish(place, meant)
            return Outcome.EXISTED, place
        entry = self.trash.entry(meant.key)
        if entry is not None:
            return self._into_the_gap(entry, place, meant)
        if place is None or self._version(place) != meant.old.version:
            raise _changed(meant)
        stat = self._by_exchange(place, meant) if self.trash.can_swap else None
        return Outcome.STORED, replace(place, stat=stat or self._by_steps(place, meant))

    def _is_there(self, place: Place, meant: Replacement) -> bool:
        """Tell whether the new picture lies there already."""
        if self._version(place) == meant.old.version:
            return False
        found = self.store.same_picture(
            place.item_id, place.folder, place.name, meant.upload, meant.digest
        )
        return found is not None

    def _by_exchange(self, place: Place, meant: Replacement) -> os.stat_result | None:
        """Swap the old and the new; None, with nothing changed, where that cannot be done."""
        incoming = Incoming(len(meant.upload.content), meant.digest)
        record = self.store.recall.record(place, self.store.versions)
        folder = self.trash.prepare(meant.key, replace(self._origin(meant), incoming=incoming))
        waiting = os.path.join(folder, place.name)
        if record is not None:
            write_mark(folder, record)
        with written(marks_folder(folder), meant.upload) as temporary:
            move_without_replacing(temporary, waiting)
        stat = os.lstat(waiting)
        mark = write_mark(
            place.folder, self.store.record(place.name, meant.upload, meant.digest, stat)
        )
        if not self._swapped(waiting, place, meant, mark):
            return None
        self._look_again(place, waiting, stat, meant, mark)
        self._finish(place, meant)
        return stat

    def _swapped(self, waiting: str, place: Place, meant: Replacement, mark: str) -> bool:
        """Swap; False where that cannot be done. Raises ItemChanged when the old vanished."""
        swapped = False
        try:
            swapped = self.trash.can_swap = exchange(waiting, place.path)
        except FileNotFoundError as error:
            if os.path.lexists(place.path):
                raise
            raise _changed(meant) from error
        finally:
            if not swapped:
                self._withdraw(meant, mark)
        return swapped

    def _look_again(
        self, place: Place, waiting: str, new: os.stat_result, meant: Replacement, mark: str
    ) -> None:
        """See that what came out is the old; if not, undo the exchange. Raises ItemChanged."""
        if self.store.versions.of(os.lstat(waiting)) == meant.old.version:
            return
        # Without its name there is nothing to swap with; then it gets its name back below.
        with suppress(FileNotFoundError):
            exchange(waiting, place.path)
        there = os.lstat(waiting)
        if not os.path.samestat(there, new):
            theirs = Place(place.item_id, os.path.dirname(waiting), place.name, there)
            self._remover().mover.put(theirs, self.store.board, place.item_id)
        self._withdraw(meant, mark)
        raise _changed(meant)

    def _by_steps(self, place: Place, meant: Replacement) -> os.stat_result:
        """Move the old to the trash, then give the new its name."""
        remover = self._remover()

        def make_room() -> None:
            try:
                remover.put_away(place, self._origin(meant), meant.key)
            except ItemMissing as error:
                raise _changed(meant) from error

        stat = self.store.write(place.folder, place.name, meant.upload, meant.digest, make_room)
        if stat is None:
            raise _changed(meant)
        return stat

    def _into_the_gap(
        self, entry: Entry, place: Place | None, meant: Replacement
    ) -> tuple[Outcome, Place]:
        """Give the new the name that the old left for the trash before somebody was killed."""
        if place is not None and os.path.samestat(place.stat, entry.place.stat):
            # Linked to the trash, but not yet unlinked here.
            take_name(place.path, entry.place.stat)
        elif place is not None:
            raise _changed(meant)
        outcome, stored = self.store.receive(replace(meant.upload, name=meant.old.item_id))
        self._finish(stored, meant)
        return outcome, stored

    def _finish(self, place: Place, meant: Replacement) -> None:
        """Do what is left once the new is there: settle the entry, forget the old mark.

        Before a kill nobody may have looked at what came out.
        """
        entry = self.trash.entry(meant.key)
        if entry is None:
            return
        record = self.store.recall.record(entry.place, self.store.versions)
        if self._version(entry.place) != meant.old.version:
            self._remover().give_back(meant.key, place.item_id)
            return
        self.trash.settle(entry)
        if record is not None and record.mark.token != meant.upload.mark.token:
            forget_mark(place, record)

    def _withdraw(self, meant: Replacement, mark: str | None) -> None:
        """Clear what was made ready in vain."""
        if self.trash.entry(meant.key) is None:
            if mark is not None:
                remove_if_there(mark)
            self.trash.discard(meant.key)

    def _origin(self, meant: Replacement) -> Origin:
        return Origin(self.board_id, meant.old.item_id, meant.old.version)

    def _remover(self) -> Remover:
        mover = Mover(self.store.recall, self.store.versions)
        return Remover(self.store.board, self.trash, mover)

    def _version(self, place: Place) -> str:
        return self.store.versions.of(place.stat)


def _changed(meant: Replacement) -> ItemChanged:
    return ItemChanged(
        f"item {meant.old.item_id}: another version is there by now, so nothing was replaced"
    )
