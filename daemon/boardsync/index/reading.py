"""Reads what pictures tell, and records it: those that `boardsync.index.follow` noted.

A batch is read without a transaction and recorded in one, for what is still as it was.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import astuple, dataclass
from typing import Final

from boardsync.errors import BoardsyncError, Missing, TryAgain
from boardsync.files.snapshot import NOT_ALLOWED, stat_of
from boardsync.index.database import Index
from boardsync.index.records import may_hide_a_change, seed_key
from boardsync.index.schema import READER, TEXTS
from boardsync.metadata import GenerationData, read
from boardsync.model import FileStat

LONGEST_PROMPT: Final = 32_768
LONGEST_NAME: Final = 1000
LONGEST_LORAS: Final = 4000
"""Characters that are kept of a text; a hostile one may have millions."""
_LARGEST_SEED: Final = 10**40


@dataclass(slots=True)
class Batch:
    """What came of reading some. failed: could not be read. left: there is more to read."""

    read: int = 0
    failed: int = 0
    left: bool = False

    def absorb(self, other: Batch) -> None:
        """Add a further batch."""
        self.read += other.read
        self.failed += other.failed
        self.left = other.left


@dataclass(frozen=True, slots=True)
class _Unread:
    """A picture to read: as it is known, and where it is."""

    path: bytes
    number: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class _Look:
    """What a file was like, and on which disk."""

    stat: FileStat
    device: int


@dataclass(frozen=True, slots=True)
class _Told:
    """What reading gave. look None: it is not there. again: it is to be read once more."""

    look: _Look | None
    data: GenerationData | None = None
    trouble: str | None = None
    again: bool = False


def read_some(
    index: Index, folder: int, *, most: int, seconds: float, pixels: bool = True
) -> Batch:
    """Read some of a folder's pictures that are to be read, and record what they tell.

    most: so many at once. seconds: none is begun after that long. pixels: as of `metadata.read`.
    """
    rows = index.ask(
        "SELECT root, path, file.id, size, mtime_ns, ctime_ns, inode"
        " FROM file JOIN folder ON folder.id = folder"
        " WHERE folder = ? AND reader = 0 LIMIT ?",
        (folder, most + 1),
    )
    until = time.monotonic() + seconds
    told: list[tuple[_Unread, _Told]] = []
    for root, path, *known in rows[:most]:
        if told and time.monotonic() >= until:
            break
        one = _Unread(os.path.join(root, path), *known)
        told.append((one, _read(one, pixels)))
    with index.writing():
        for one, result in told:
            _record(index, one, result)
    failed = sum(1 for _, result in told if result.trouble is not None)
    return Batch(len(told), failed, len(rows) > len(told))


def _read(one: _Unread, pixels: bool) -> _Told:
    """Read a picture. Whether it stood still meanwhile is part of the answer."""
    before = _look(one.path)
    if before is None:
        return _Told(None)
    began = time.time_ns()
    try:
        data = read(one.path, pixels=pixels)
    except Missing:
        return _Told(None)
    except BoardsyncError as error:
        words = str(error).removeprefix(f"{os.fsdecode(one.path)}: ")
        # A right that is given to its directory, or to us, changes nothing of the file.
        again = isinstance(error, TryAgain) or words == NOT_ALLOWED
        return _Told(before, None, _bounded(words, LONGEST_NAME), again)
    again = may_hide_a_change(before.stat, began) or _look(one.path) != before
    return _Told(before, data, None, again)


def _look(path: bytes) -> _Look | None:
    try:
        result = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISREG(result.st_mode):
        return None
    return _Look(stat_of(result), result.st_dev)


def _record(index: Index, one: _Unread, told: _Told) -> None:
    """Record what was read, unless somebody noted another change meanwhile."""
    same = "id = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ? AND inode = ?"
    known = (one.number, one.size, one.mtime_ns, one.ctime_ns, one.inode)
    if told.look is None:
        index.tell(f"DELETE FROM file WHERE {same}", known)
        return
    data = told.data or GenerationData()
    seed = data.seed.value if data.seed is not None else None
    telling = _telling(index, data)
    noted = index.tell(
        "UPDATE file SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, device = ?, reader = ?,"
        f" again = ?, telling = ?, seed = ?, width = ?, height = ?, trouble = ? WHERE {same}",
        (
            *astuple(told.look.stat), told.look.device, READER, int(told.again), telling,
            None if seed is None or abs(seed) >= _LARGEST_SEED else seed_key(seed),
            _dimension(data.width), _dimension(data.height), told.trouble, *known,
        ),
    )  # fmt: skip
    if not noted:
        unused = "id = ? AND NOT EXISTS (SELECT 1 FROM file WHERE telling = ?)"
        index.tell(f"DELETE FROM telling WHERE {unused}", (telling, telling))


def _telling(index: Index, data: GenerationData) -> int:
    """Return the number of the texts that a picture tells, 0 for none."""
    texts = _texts(data)
    if not any(texts):
        return 0
    digest = hashlib.blake2b(
        b"\0".join(text.encode() for text in texts), digest_size=16
    ).digest()  # fmt: skip
    known = index.ask("SELECT id FROM telling WHERE digest = ?", (digest,))
    if known:
        return int(known[0][0])
    marks = ", ".join("?" * (len(TEXTS) + 1))
    return index.add(
        f"INSERT INTO telling (digest, {', '.join(TEXTS)}) VALUES ({marks})",
        (digest, *(text or None for text in texts)),
    )


def _texts(data: GenerationData) -> tuple[str, ...]:
    """Return the texts in the order of `TEXTS`; empty for what is not told."""
    loras = "\n".join(one.value.name for one in data.loras)
    told = {name: each.value for name, each in data.told()}
    found = {"negative": told.get("negative_prompt", ""), "loras": loras} | told
    longest = {"prompt": LONGEST_PROMPT, "negative": LONGEST_PROMPT, "loras": LONGEST_LORAS}
    return tuple(
        _bounded(str(found.get(name, "")), longest.get(name, LONGEST_NAME)) for name in TEXTS
    )


def _bounded(text: str, most: int) -> str:
    """Return the beginning of a text, without what no UTF-8 can hold."""
    return text[:most].replace("\0", " ").encode("utf-8", "replace").decode()


def _dimension(told: object) -> int | None:
    value = getattr(told, "value", None)
    return value if isinstance(value, int) and 0 <= value < 1 << 31 else None
