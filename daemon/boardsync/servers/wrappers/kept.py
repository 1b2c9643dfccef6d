"""Pictures that were deleted on a server which has no trash, saved on this machine before.

Each removal has a directory, named by its key: the picture, and `about.json`, which says where it
was. That file is written last: while it is missing nothing was deleted, and what lies beside it
is litter. A person finds the pictures there even when everything else is lost.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import BinaryIO, Final

from boardsync.errors import ItemMissing, NoRoom, Refused, TryAgain
from boardsync.files.disk import SYSTEM, Disk
from boardsync.files.durable import (
    fsync_directory,
    make_durable_directory,
    remove_if_there,
    sync_and_close,
)
from boardsync.files.snapshot import digest_file, read_snapshot
from boardsync.model import Item, Mark

KEPT: Final = ".kept"
"""What the pictures here have for a board. No server has one of this id."""
MOST_RETURNED: Final = 1000
"""Of how many pictures that came back it is remembered where they went."""

_ABOUT: Final = b"about.json"
_PART: Final = b"about.part"
_KEY = re.compile(r"[a-z0-9-]{1,200}")
_CREATING = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture that was deleted, or is about to be. item: as it was on its board.

    number: of two, the higher one was saved later. returning: it is being sent back; what was
    there of the same picture before, see `sight`. returned: the item that it came back as.
    """

    key: str
    number: int
    item: Item
    mark: Mark | None
    digest: str
    size: int
    width: int
    height: int
    returning: tuple[str, ...] | None = None
    returned: str | None = None

    @property
    def trashed_id(self) -> str:
        return f"{KEPT}/{self.key}"

    @property
    def picture(self) -> bytes:
        """The name of the file that holds it."""
        return b"picture" + os.fsencode(self.item.extension)


def sight(item: Item) -> str:
    """Return what tells an item of one moment from all others."""
    return f"{item.board_id}\n{item.item_id}\n{item.version}"


class KeptPictures:
    """The pictures of one server. root: their directory, made when the first one comes.

    Nobody else writes there. Raises NoRoom and TryAgain where the disk fails.
    """

    def __init__(self, root: bytes, disk: Disk = SYSTEM) -> None:
        self.root = root
        self._disk = disk
        self._known: dict[str, Kept] | None = None
        self._durable: set[bytes] = set()

    def all(self) -> list[Kept]:
        """Return what lies here, and what has come back, in the order in which it was saved."""
        return sorted(self._all().values(), key=lambda one: one.number)

    def find(self, key: str) -> Kept | None:
        """Return what was saved under a key."""
        return self._all().get(key)

    def next_number(self) -> int:
        """Return a number above all that are taken."""
        return max((one.number for one in self._all().values()), default=0) + 1

    def create(self, key: str, extension: str) -> BinaryIO:
        """Open the file that a picture is saved in."""
        directory = self._directory(key)
        with self._telling(directory):
            top = os.path.dirname(self.root)
            make_durable_directory(self.root, top, self._durable, self._disk)
            self._disk.make_private(self.root)
            make_durable_directory(directory, top, self._durable, self._disk)
            path = os.path.join(directory, b"picture" + os.fsencode(extension))
            return self._disk.fdopen(self._disk.open(path, _CREATING, 0o600), "w+b")

    def finish(self, stream: BinaryIO, key: str, extension: str, digest: str) -> None:
        """Make a picture durable, and read it again. Raises TryAgain when it is another one."""
        directory = self._directory(key)
        path = os.path.join(directory, b"picture" + os.fsencode(extension))
        with self._telling(path):
            sync_and_close(stream, self._disk)
            fsync_directory(directory, self._disk)
            if digest_file(path, self._disk)[0] != digest:
                raise TryAgain(f"{os.fsdecode(path)}: the disk gives other bytes than it was given")

    def note(self, kept: Kept) -> None:
        """Record what is known of a picture, durably."""
        directory = self._directory(kept.key)
        content = json.dumps({"format": 1} | asdict(kept), indent=1).encode()
        temporary = os.path.join(directory, _PART)
        with self._telling(directory):
            stream = self._disk.fdopen(self._disk.open(temporary, _CREATING, 0o600), "w+b")
            with stream:
                stream.write(content)
                self._disk.sync_stream(stream)
            self._disk.replace(temporary, os.path.join(directory, _ABOUT))
            fsync_directory(directory, self._disk)
        self._all()[kept.key] = kept

    def read(self, kept: Kept) -> bytes:
        """Return a picture's bytes. Raises Refused when they are not what was saved."""
        path = os.path.join(self._directory(kept.key), kept.picture)
        with self._telling(path):
            content = read_snapshot(path, kept.size, self._disk).content
        if hashlib.sha256(content).hexdigest() != kept.digest:
            raise Refused(f"{os.fsdecode(path)}: not the picture any more that was saved there")
        return content

    def let_go(self, kept: Kept) -> None:
        """Delete a picture, and keep what is known of it."""
        path = os.path.join(self._directory(kept.key), kept.picture)
        with self._telling(path):
            remove_if_there(path, self._disk)

    def forget(self, key: str) -> None:
        """Delete a picture with what is known of it. Repeats find nothing to do."""
        directory = self._directory(key)
        self._all().pop(key, None)
        with self._telling(directory):
            if not self._disk.isdir(directory):
                return
            # First what says that it is here: killed in between, the rest is litter.
            remove_if_there(os.path.join(directory, _ABOUT), self._disk)
            self._sweep(directory)

    def _all(self) -> dict[str, Kept]:
        if self._known is None:
            with self._telling(self.root):
                self._known = self._load() if self._disk.isdir(self.root) else {}
        return self._known

    def _load(self) -> dict[str, Kept]:
        """Read what is known, and remove what a kill left behind."""
        found: dict[str, Kept] = {}
        for name in self._names(self.root):
            key = os.fsdecode(name)
            directory = os.path.join(self.root, name)
            if not _KEY.fullmatch(key) or not self._disk.isdir(directory):
                continue  # a person's
            if not self._disk.lexists(os.path.join(directory, _ABOUT)):
                self._sweep(directory)
                continue
            kept = self._read_about(directory, key)
            if kept is not None:
                found[key] = kept
        returned = sorted(
            (one for one in found.values() if one.returned is not None), key=lambda one: -one.number
        )
        for one in returned[MOST_RETURNED:]:
            self._sweep(self._directory(one.key))
            del found[one.key]
        return found

    def _read_about(self, directory: bytes, key: str) -> Kept | None:
        """Read what is known of one picture; of what cannot be understood nothing is touched."""
        content = read_snapshot(os.path.join(directory, _ABOUT), 1 << 20, self._disk).content
        try:
            return _from_values(json.loads(content), key)
        except (ValueError, TypeError, KeyError):
            return None

    def _sweep(self, directory: bytes) -> None:
        for name in self._names(directory):
            remove_if_there(os.path.join(directory, name), self._disk)
        self._disk.rmdir(directory)
        self._durable.discard(directory)

    def _names(self, directory: bytes) -> list[bytes]:
        with self._disk.scandir(directory) as entries:
            return [one.name for one in entries]

    def _directory(self, key: str) -> bytes:
        if not _KEY.fullmatch(key):
            raise ItemMissing(f"{key}: not in the trash")
        return os.path.join(self.root, key.encode())

    @contextmanager
    def _telling(self, path: bytes) -> Iterator[None]:
        """Turn what the disk says into words."""
        try:
            yield
        except OSError as error:
            raise in_words(error, path) from error


def in_words(error: OSError, path: bytes) -> TryAgain:
    """Return what the disk said as an error of ours."""
    where = os.fsdecode(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(f"{where}: the disk is full; free some space")
    return TryAgain(f"{where}: {error.strerror}")


def _from_values(values: dict[str, object], key: str) -> Kept:
    """Build what `KeptPictures.note` wrote. Raises ValueError, TypeError, KeyError."""
    if values.pop("format") != 1:
        raise ValueError("another format")
    item, mark, returning = values.pop("item"), values.pop("mark"), values.pop("returning")
    if not isinstance(item, dict) or not isinstance(mark, dict | None) or values.pop("key") != key:
        raise ValueError("not what was written")
    return Kept(
        key=key,
        item=Item(**item),
        mark=None if mark is None else Mark(**mark),
        returning=None if returning is None else tuple(returning),  # type: ignore[arg-type]
        **values,  # type: ignore[arg-type]
    )
