"""Storing one upload: never half, never over something else, never without its mark.

    temporary file -> fsync -> mark durable -> rename that never replaces -> directory durable

Killed before the rename, it leaves a mark without an item and perhaps a temporary file; both
are invisible, and `sweep` takes them away when they are old. Killed after it, the item is
there with its mark, and sending it again says that it existed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from boardsync.errors import FileChanging, ItemChanged, ServerRefused
from boardsync.files.disk import SYSTEM
from boardsync.files.durable import (
    create_temp,
    move_without_replacing,
    remove_if_there,
)
from boardsync.files.snapshot import stat_of
from boardsync.formats.whole import check
from boardsync.model import Outcome, Upload
from boardsync.servers.directory.folders import make_folder
from boardsync.servers.directory.marks import (
    MarkRecord,
    digest_of,
    holds,
    make_marks_folder,
    write_mark,
)
from boardsync.servers.directory.names import candidates, require_item_name
from boardsync.servers.directory.recall import Recall
from boardsync.servers.directory.tree import Place, regular_stat
from boardsync.servers.directory.versions import Versions


@dataclass(frozen=True, slots=True)
class Store:
    """Puts uploads into one board's directory."""

    board: str
    recall: Recall
    versions: Versions

    def receive(self, upload: Upload) -> tuple[Outcome, Place]:
        """Store one upload, under a free name when its own is taken by another picture.

        EXISTED when these very bytes lie there as this token's upload, or as nobody's: then
        they get the mark. Raises ServerRefused, and OSError with nothing of it visible.
        """
        parts = require_item_name(upload.name)
        digest = checked_digest(upload)
        folder = make_folder(self.board, parts[:-1])
        for name in candidates(parts[-1]):
            item_id = "/".join([*parts[:-1], name])
            if not os.path.lexists(os.path.join(folder, name)):
                stat = self.write(folder, name, upload, digest)
                if stat is not None:
                    return Outcome.STORED, Place(item_id, folder, name, stat)
            # Taken, perhaps this moment, perhaps by another daemon with the same picture.
            place = self.same_picture(item_id, folder, name, upload, digest)
            if place is not None:
                return Outcome.EXISTED, place
        raise ServerRefused(f"picture {upload.name!r}: too many of this name; rename the file")

    def same_picture(
        self, item_id: str, folder: str, name: str, upload: Upload, digest: str
    ) -> Place | None:
        """Return what lies at a taken name when it is this upload; adopt it when unmarked."""
        stat = regular_stat(os.path.join(folder, name))
        if stat is None or stat.st_size != len(upload.content):
            return None
        place = Place(item_id, folder, name, stat)
        there, seen = digest_of(place.path)
        if (seen.mtime_ns, seen.size) != (stat_of(stat).mtime_ns, stat.st_size):
            raise FileChanging(f"item {item_id}: changed while it was looked at")
        if there != digest:
            return None
        mark = self.recall.mark(place, self.versions)
        if mark is None:
            write_mark(folder, self.record(name, upload, digest, stat))
        elif mark.token != upload.mark.token:
            return None
        return place

    def write(
        self,
        folder: str,
        name: str,
        upload: Upload,
        digest: str,
        make_room: Callable[[], None] = lambda: None,
    ) -> os.stat_result | None:
        """Carry the steps out; None when somebody took the name meanwhile.

        make_room: called when everything is durable but the name.
        """
        with written(make_marks_folder(folder), upload) as temporary:
            stat = os.lstat(temporary)
            mark = write_mark(folder, self.record(name, upload, digest, stat))
            target = os.path.join(folder, name)
            try:
                make_room()
                move_without_replacing(temporary, target)
            except FileExistsError:
                # A mark goes by token and name: when the same picture won, this is its mark too.
                if not holds(target, digest):
                    remove_if_there(mark)
                return None
            except ItemChanged:
                remove_if_there(mark)
                raise
        return stat

    def record(self, name: str, upload: Upload, digest: str, stat: os.stat_result) -> MarkRecord:
        """Return what the mark of an upload says once its bytes lie at a name."""
        return MarkRecord(upload.mark, name, self.versions.of(stat), stat.st_size, digest)


def checked_digest(upload: Upload) -> str:
    """Return the digest of an upload's bytes. Raises ServerRefused when they are not whole."""
    verdict = check(upload.content)
    if not verdict.whole:
        raise ServerRefused(f"picture {upload.name!r}: {verdict.reason}; send a whole picture")
    return hashlib.sha256(upload.content).hexdigest()


@contextmanager
def written(folder: str, upload: Upload) -> Iterator[bytes]:
    """Write the bytes, durable and dated, under a name that nobody lists.

    Gives the path for a block that moves the file to its place; what is left there goes with the
    block's end.
    """
    stream, path = create_temp(folder)
    try:
        # Closing fails like writing on a full disk, hence inside the same `try`.
        with stream:
            stream.write(upload.content)
            stream.flush()
            if upload.created_ms is not None:
                moment = upload.created_ms * 1_000_000
                os.utime(stream.fileno(), ns=(moment, moment))
            SYSTEM.sync_stream(stream)
            yield path
    finally:
        remove_if_there(path)
