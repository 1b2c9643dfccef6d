"""Pictures that were deleted on a server which has no trash, saved on this machine before.

Each removal has a directory, named by its key: the picture, and `about.json`, which says where it
was. That file is written last: without it nothing was deleted. Whatever else lies there is left
alone, so that a person finds the pictures even when everything else is lost.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from typing import BinaryIO, Final

import structlog

from boardsync.errors import FileChanging, ItemMissing, Refused, TryAgain
from boardsync.files.disk import SYSTEM, Disk, no_room
from boardsync.files.durable import (
    TEMP_PREFIX,
    fsync_directory,
    make_durable_directory,
    remove_if_there,
    sync_and_close,
)
from boardsync.files.snapshot import digest_file, read_snapshot
from boardsync.model import Item, Mark

log = structlog.get_logger(__name__)

KEPT: Final = ".kept"
"""What the pictures here have for a board. No server has one of this id."""
MOST_RETURNED: Final = 1000
"""Of how many pictures that came back it is remembered where they went."""

_ABOUT, _ABOUT_PART = b"about.json", b"about.part"
_PICTURE, _PICTURE_PART = b"picture", TEMP_PREFIX + b"picture"
_MOST_ABOUT = 1 << 20
_KEY = re.compile(r"[a-z0-9-]{1,200}")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,10}")
_CREATING = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture that was deleted, or is about to be. item: as it was on its board.

    number: of two, the higher one was saved later. replaced: an upload took its place, so nobody
    else deletes it. deleting: its deletion may have been sent. returning: it is being sent back;
    what carried its token before, see `identity`. returned: the identity of what it came back as.
    """

    key: str
    number: int
    item: Item
    mark: Mark | None
    digest: str
    size: int
    width: int
    height: int
    replaced: bool = False
    deleting: bool = False
    returning: tuple[str, ...] | None = None
    returned: str | None = None

    @property
    def trashed_id(self) -> str:
        return f"{KEPT}/{self.key}"


def identity(item: Item) -> str:
    """Return what tells an item of one moment from all others."""
    return f"{item.board_id}\n{item.item_id}\n{item.version}"


class KeptPictures:
    """The pictures of one server. root: their directory, made when the first one comes.

    Only who holds the state's lock writes. May be used from several threads, but for one key only
    from one at a time. Raises NoRoom and TryAgain where the disk fails.
    """

    def __init__(self, root: bytes, disk: Disk = SYSTEM) -> None:
        self.root = root
        self._disk = disk
        self._lock = threading.Lock()
        self._known: dict[str, Kept] | None = None
        self._unreadable: set[str] = set()
        self._newest = 0
        self._durable: set[bytes] = set()

    def all(self) -> list[Kept]:
        """Return what lies here, and what has come back."""
        with self._lock:
            return list(self._load().values())

    @property
    def unreadable(self) -> int:
        """Of how many pictures it cannot be read what they are."""
        with self._lock:
            self._load()
        return len(self._unreadable)

    def get(self, key: str) -> Kept | None:
        """Return what was saved under a key.

        Raises TryAgain where it cannot be told: what cannot be read is not gone.
        """
        with self._lock:
            found = self._load().get(key)
        if found is None and key in self._unreadable:
            raise TryAgain(f"{os.fsdecode(self._directory(key))}: about.json cannot be read")
        return found

    def get_saved(self, key: str) -> Kept | None:
        """Return what was saved under a key that is known to have been used.

        Raises TryAgain also where the whole place is missing: that proves no absence.
        """
        found = self.get(key)
        if found is None and _KEY.fullmatch(key) and not self._disk.isdir(self.root):
            raise TryAgain(f"{os.fsdecode(self.root)}: missing; put it back, it is the trash")
        return found

    def next_number(self) -> int:
        """Return a number above all that were given."""
        with self._lock:
            self._load()
            self._newest += 1
            return self._newest

    def create(self, key: str) -> BinaryIO:
        """Open the file that a picture is saved in, until `finish` gives it its name."""
        directory = self._directory(key)
        with self._telling(directory):
            top = os.path.dirname(os.path.dirname(self.root))
            make_durable_directory(self.root, top, self._durable, self._disk)
            self._disk.make_private(self.root)
            make_durable_directory(directory, top, self._durable, self._disk)
            part = os.path.join(directory, _PICTURE_PART)
            return self._disk.fdopen(self._disk.open(part, _CREATING, 0o600), "w+b")

    def finish(self, stream: BinaryIO, key: str, extension: str, digest: str) -> None:
        """Make a picture durable, and read it again. Raises TryAgain when it is another one."""
        directory = self._directory(key)
        part = os.path.join(directory, _PICTURE_PART)
        with self._telling(part):
            sync_and_close(stream, self._disk)
            if digest_file(part, self._disk)[0] != digest:
                raise TryAgain(f"{os.fsdecode(part)}: the disk gives other bytes than it was given")
            self._disk.replace(part, os.path.join(directory, _file_name(extension)))
            fsync_directory(directory, self._disk)

    def abandon(self, key: str) -> None:
        """Remove what `create` made, and nothing that was finished."""
        directory = self._directory(key)
        with suppress(OSError):
            remove_if_there(os.path.join(directory, _PICTURE_PART), self._disk)
            self._remove_directory(directory)

    def write(self, kept: Kept) -> None:
        """Record what is known of a picture, durably."""
        directory = self._directory(kept.key)
        content = json.dumps({"format": 1} | asdict(kept), indent=1).encode()
        part = os.path.join(directory, _ABOUT_PART)
        with self._telling(directory):
            stream = self._disk.fdopen(self._disk.open(part, _CREATING, 0o600), "w+b")
            with stream:
                stream.write(content)
                self._disk.sync_stream(stream)
            self._disk.replace(part, os.path.join(directory, _ABOUT))
            fsync_directory(directory, self._disk)
        with self._lock:
            self._load()[kept.key] = kept
        if kept.returned is not None:
            self._forget_oldest_returned()

    def intact(self, kept: Kept) -> bool:
        """Tell whether a picture lies here in the bytes that were saved. Raises TryAgain."""
        try:
            return digest_file(self._picture(kept), self._disk)[0] == kept.digest
        except FileChanging as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False
            raise
        except Refused:
            return False

    def read(self, kept: Kept) -> bytes:
        """Return a picture's bytes. Raises Refused when they are not what was saved."""
        if not self.intact(kept):
            path = os.fsdecode(self._picture(kept))
            raise Refused(f"{path}: not the picture any more that was saved there")
        return read_snapshot(self._picture(kept), kept.size, self._disk).content

    def drop_picture(self, kept: Kept) -> None:
        """Delete a picture that came back, and keep what is known of it."""
        with self._telling(self._picture(kept)):
            remove_if_there(self._picture(kept), self._disk)

    def forget(self, kept: Kept) -> None:
        """Delete a picture with what is known of it. Repeats find nothing to do."""
        directory = self._directory(kept.key)
        with self._lock:
            self._load().pop(kept.key, None)
        with self._telling(directory):
            # First what says that it is here: killed in between, nobody takes it for saved.
            for name in (_ABOUT, _ABOUT_PART, _PICTURE_PART):
                remove_if_there(os.path.join(directory, name), self._disk)
            remove_if_there(self._picture(kept), self._disk)
        with suppress(OSError):
            self._remove_directory(directory)

    def _forget_oldest_returned(self) -> None:
        returned = sorted(
            (one for one in self.all() if one.returned is not None), key=lambda one: one.number
        )
        for one in returned[:-MOST_RETURNED]:
            self.forget(one)

    def _load(self) -> dict[str, Kept]:
        """Return what is known, read once; with the lock held. Changes nothing on the disk."""
        if self._known is None:
            with self._telling(self.root):
                names = self._names(self.root) if self._disk.isdir(self.root) else []
            known: dict[str, Kept] = {}
            for key in map(os.fsdecode, names):
                about = os.path.join(self.root, os.fsencode(key), _ABOUT)
                if not _KEY.fullmatch(key) or not self._disk.lexists(about):
                    continue  # a person's, or never finished
                kept = self._read_about(about, key)
                if kept is None:
                    self._unreadable.add(key)
                else:
                    known[key] = kept
            self._known = known
            self._newest = max((one.number for one in known.values()), default=0)
        return self._known

    def _read_about(self, about: bytes, key: str) -> Kept | None:
        """Read what is known of one picture; None where it cannot be understood."""
        try:
            return _from_values(
                json.loads(read_snapshot(about, _MOST_ABOUT, self._disk).content), key
            )
        except (FileChanging, Refused, ValueError, TypeError, KeyError, RecursionError) as error:
            log.warning("what was saved there cannot be read", path=about, reason=str(error))
            return None

    def _names(self, directory: bytes) -> list[bytes]:
        with self._disk.scandir(directory) as entries:
            return [one.name for one in entries]

    def _picture(self, kept: Kept) -> bytes:
        return os.path.join(self._directory(kept.key), _file_name(kept.item.extension))

    def _directory(self, key: str) -> bytes:
        if not _KEY.fullmatch(key):
            raise ItemMissing(f"{key}: not in the trash")
        return os.path.join(self.root, key.encode())

    def _remove_directory(self, directory: bytes) -> None:
        self._durable.discard(directory)
        self._disk.rmdir(directory)

    @contextmanager
    def _telling(self, path: bytes) -> Iterator[None]:
        """Turn what the disk says into words."""
        try:
            yield
        except OSError as error:
            raise in_words(error, path) from error


def in_words(error: OSError, path: bytes) -> TryAgain:
    """Return what the disk said as an error of ours."""
    return no_room(error, path) or TryAgain(f"{os.fsdecode(path)}: {error.strerror}")


def _file_name(extension: str) -> bytes:
    """Return the name of a picture's file; servers may say anything of its extension."""
    return _PICTURE + (extension.encode() if _EXTENSION.fullmatch(extension) else b"")


def _from_values(values: object, key: str) -> Kept:
    """Build what `KeptPictures.write` wrote. Raises ValueError, TypeError, KeyError."""
    if not isinstance(values, dict) or values.pop("format", None) != 1 or values["key"] != key:
        raise ValueError("it is not what was written there")
    values["item"] = Item(**values["item"])
    values["mark"] = None if values["mark"] is None else Mark(**values["mark"])
    if values.get("returning") is not None:
        values["returning"] = tuple(values["returning"])
    kept = Kept(**values)
    numbers = (kept.number, kept.size, kept.width, kept.height)
    texts = (kept.digest, kept.item.item_id, kept.item.version, kept.item.extension)
    if not all(isinstance(one, int) for one in numbers):
        raise TypeError("a number is none")
    if not all(isinstance(one, str) for one in texts) or len(fields(kept)) < len(values):
        raise TypeError("a text is none")
    return kept
