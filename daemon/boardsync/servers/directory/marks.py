"""Marks on disk: one small file for each upload, in the hidden folder beside its item.

The file is named by the hashes of token and item name, so that two uploads to one name never
overwrite each other's mark: it is the *fit* that decides whose item is there. It is durable
before the item appears, and says of which bytes it speaks. So a crash leaves a mark without
an item, never our item without a mark, and bytes that somebody else put there carry none.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass

from boardsync.errors import FileChanging, NotAuthorised, PictureRefused
from boardsync.files.durable import fsync_directory, write_atomically
from boardsync.files.snapshot import digest_file
from boardsync.model import FileStat, Mark
from boardsync.servers.directory.names import MARKS_FOLDER
from boardsync.servers.directory.tree import refuse_obstacle

EXTENSION = ".json"

_FORMAT = 1
_HASH_LENGTH = 16
_MAX_BYTES = 1 << 16
_MARK_TEXTS = ("mirror", "token", "file", "sent", "recipe")


@dataclass(frozen=True, slots=True)
class MarkRecord:
    """A mark, and the item it was written for: name, version, size and digest of its bytes."""

    mark: Mark
    name: str
    version: str
    size: int
    digest: str

    def fits_version(self, name: str, version: str) -> bool:
        """Tell whether nobody has touched the item since the mark was written."""
        return (self.name, self.version) == (name, version)

    def fits_bytes(self, path: str, size: int) -> bool:
        """Tell whether the file holds the very bytes the mark was written for.

        Reads the file only when its size is right. A file that changes under our hands does
        not hold them. Raises NotAuthorised when the file cannot be read.
        """
        if self.name != os.path.basename(path) or self.size != size:
            return False
        try:
            return digest_of(path)[0] == self.digest
        except FileChanging:
            return False


def digest_of(path: str) -> tuple[str, FileStat]:
    """Hash an item that may be ours. Raises FileChanging.

    Raises NotAuthorised when it may not be read: taking it for another's makes a double.
    """
    try:
        return digest_file(path)
    except PictureRefused as refusal:
        raise NotAuthorised(f"{path}: {refusal}; it may be an upload of ours") from refusal


def holds(path: str, digest: str) -> bool:
    """Tell whether a file holds these bytes, or may: one that cannot be read is not judged."""
    try:
        return digest_of(path)[0] == digest
    except (FileChanging, NotAuthorised):
        return True


def marks_folder(folder: str) -> str:
    """Return the folder of the marks of items in `folder`."""
    return os.path.join(folder, MARKS_FOLDER)


def token_key(token: str) -> str:
    """Return what the names of all mark files of a token begin with."""
    return f"{_hash(token)}-"


def name_key(name: str) -> str:
    """Return what the names of all mark files of an item's name end with."""
    return f"{_hash(name)}{EXTENSION}"


def name_key_of(mark_file: str) -> str:
    """Return the part of a mark file's name that `name_key` gives."""
    return mark_file.rpartition("-")[2]


def mark_path(folder: str, name: str, token: str) -> str:
    """Return the path of the mark that an upload of `token` to `name` has."""
    return os.path.join(marks_folder(folder), token_key(token) + name_key(name))


def make_marks_folder(folder: str) -> str:
    """Make the marks folder in `folder`, durably, and return its path.

    Its parent has to be there: making that too would put a board on a bare mount point.
    Raises ServerRefused when something else has its name, a link too: it may lead anywhere.
    """
    path = marks_folder(folder)
    try:
        os.mkdir(path)
    except FileExistsError:
        refuse_obstacle(path)
        return path
    fsync_directory(folder)
    return path


def write_mark(folder: str, record: MarkRecord) -> str:
    """Make a mark durable, and return its path."""
    make_marks_folder(folder)
    path = mark_path(folder, record.name, record.mark.token)
    body = {"format": _FORMAT, **asdict(record)}
    write_atomically(path, json.dumps(body, sort_keys=True).encode())
    return path


def read_mark(path: str) -> MarkRecord | None:
    """Read a mark file; None when it is not there, or is none of ours. Raises OSError."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    return parse_mark(content) if len(content) <= _MAX_BYTES else None


def parse_mark(content: bytes) -> MarkRecord | None:
    """Read what `write_mark` wrote; None for anything else, whatever it is."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or body.get("format") != _FORMAT:
        return None
    mark = _parse_inner(body.get("mark"))
    name, version, digest = (body.get(key) for key in ("name", "version", "digest"))
    size = body.get("size")
    if mark is None or type(size) is not int:
        return None
    if not (isinstance(name, str) and isinstance(version, str) and isinstance(digest, str)):
        return None
    return MarkRecord(mark, name, version, size, digest)


def _parse_inner(value: object) -> Mark | None:
    if not isinstance(value, dict) or value.get("version") != 1:
        return None
    texts = [value.get(key) for key in _MARK_TEXTS]
    if not all(isinstance(text, str) for text in texts):
        return None
    name = value.get("name")
    known = name if isinstance(name, str) else None
    return Mark(**{key: value[key] for key in _MARK_TEXTS}, name=known)


def _hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:_HASH_LENGTH]
