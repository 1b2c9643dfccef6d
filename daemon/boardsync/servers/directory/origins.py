"""Where something in the trash came from: one small record, durable before the picture arrives.

The record also tells what a picture in the trash is *not*: for a replacement, the new picture
waits in the trash for the moment when both swap their places.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from typing import Final

from boardsync.errors import Bug
from boardsync.files.durable import write_atomically
from boardsync.servers.directory.marks import digest_of, marks_folder
from boardsync.servers.directory.names import MARKS_FOLDER, item_parts

TRASH: Final = f"{MARKS_FOLDER}/trash"
"""The trash below a server's root, and the id of the board that its items are on."""

_FORMAT = 1
_FILE = "origin"
_KEY = re.compile(r"[a-z0-9-]{1,100}")
_MAX_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Incoming:
    """A new picture that waits to take the old one's name: told by size and digest."""

    size: int
    digest: str

    def is_at(self, path: str, size: int) -> bool:
        """Tell whether this picture is what lies there. Raises FileChanging, NotAuthorised."""
        return size == self.size and digest_of(path)[0] == self.digest


@dataclass(frozen=True, slots=True)
class Origin:
    """The item that was removed: its board, its id and its version there."""

    board_id: str
    item_id: str
    version: str
    incoming: Incoming | None = None

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.item_id.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class TrashedId:
    """An id in the trash, taken apart: it tells enough to recognise what was put back."""

    key: str
    version: str
    item_id: str

    def __str__(self) -> str:
        return f"{TRASH}/{self.key}/{self.version}/{self.item_id}"


def parse_id(trashed_id: str) -> TrashedId | None:
    """Take an id apart; None when it is none of the trash."""
    if not trashed_id.startswith(f"{TRASH}/"):
        return None
    key, _, rest = trashed_id.removeprefix(f"{TRASH}/").partition("/")
    version, _, item_id = rest.partition("/")
    if not is_key(key) or item_parts(item_id) is None:
        return None
    return TrashedId(key, version, item_id)


def is_key(name: str) -> bool:
    """Tell whether a directory of this name can belong to a removal."""
    return _KEY.fullmatch(name) is not None


def require_key(key: str) -> str:
    """Return the key of a removal, unchanged. Raises Bug for what could be no directory."""
    if not is_key(key):
        raise Bug(f"{key!r} is no key of a removal: up to 100 of a-z, 0-9 and dashes")
    return key


def write_origin(folder: str, origin: Origin) -> None:
    """Make a record durable in a folder of the trash, whose marks folder is there."""
    body = {"format": _FORMAT, **asdict(origin)}
    write_atomically(origin_path(folder), json.dumps(body, sort_keys=True).encode())


def origin_path(folder: str) -> str:
    """Return the path of a folder's record."""
    return os.path.join(marks_folder(folder), _FILE)


def read_origin(folder: str) -> Origin | None:
    """Read a folder's record; None when it is not there, or is none of ours. Raises OSError."""
    try:
        with open(origin_path(folder), "rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or body.get("format") != _FORMAT:
        return None
    return _parsed(body)


def _parsed(body: dict[str, object]) -> Origin | None:
    board_id, item_id, version = (body.get(key) for key in ("board_id", "item_id", "version"))
    if not (isinstance(board_id, str) and isinstance(item_id, str) and isinstance(version, str)):
        return None
    if item_parts(item_id) is None:
        return None
    coming = body.get("incoming")
    if coming is None:
        return Origin(board_id, item_id, version)
    if not isinstance(coming, dict):
        return None
    size, digest = coming.get("size"), coming.get("digest")
    if type(size) is not int or not isinstance(digest, str):
        return None
    return Origin(board_id, item_id, version, Incoming(size, digest))
