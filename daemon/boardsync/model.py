"""The vocabulary: one noun for each thing, frozen, without behaviour that touches the world.

Times are integers: `_ns` nanoseconds and `_ms` milliseconds since the Unix epoch, UTC.
Digests are lower-case hex SHA-256. Paths of files are bytes, relative to the mirror's
folder, with `/` between the parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Direction(StrEnum):
    """Which way pictures travel in a mirror."""

    BOTH = "both"
    PUSH = "push"
    PULL = "pull"

    @property
    def pushes(self) -> bool:
        return self is not Direction.PULL

    @property
    def pulls(self) -> bool:
        return self is not Direction.PUSH


class Category(StrEnum):
    """InvokeAI's image categories: general is the Images tab, the rest the Assets tab."""

    GENERAL = "general"
    USER = "user"
    CONTROL = "control"
    MASK = "mask"
    OTHER = "other"


class LinkState(StrEnum):
    """What a link says about its two sides. Only AGREED and SUPERSEDED links have both."""

    AGREED = "agreed"
    FILE_GONE = "file-gone"
    ITEM_GONE = "item-gone"
    SUPERSEDED = "superseded"
    UNDONE = "undone"


class ActionKind(StrEnum):
    """What a plan can ask for."""

    UPLOAD = "upload"
    DOWNLOAD = "download"
    LINK = "link"
    """Both sides already hold this picture: only the record is missing. No bytes travel."""
    MAKE_BOARD = "make-board"
    """Only ever shown: a run makes the board while it observes, before it decides."""
    RELINK = "relink"
    """An earlier version came back: its old link agrees again, the newer one is superseded."""
    FOLLOW = "follow"
    """The file was renamed: its link goes along, and its item's name where that is kept."""
    MOVE_ITEM = "move-item"
    """The file was moved to another board's folder: the item goes there, too."""
    MOVE_FILE = "move-file"
    """The item was moved to another board of this mirror: the file goes there, too."""
    SET_ASIDE = "set-aside"
    """Both sides changed: the file gets a conflict name, so that both are kept."""
    RESTORE_ITEM = "restore-item"
    """Content that was replaced came back: its old item comes out of the trash."""
    TRASH_ITEM = "trash-item"
    TRASH_FILE = "trash-file"
    TRASH_DOUBLE = "trash-double"
    """The same picture was sent twice: the younger item goes, its files have the older one."""
    SEND_AGAIN = "send-again"
    """A person asked for it: the item makes room for the same picture, prepared otherwise."""


class TransferState(StrEnum):
    """Where a transfer stands. Only DONE, REFUSED and DROPPED are final."""

    READY = "ready"
    SENDING = "sending"
    """The intent is durable; the first byte may be on its way."""
    UNKNOWN = "unknown"
    """The outcome was lost: it is looked up before anything is sent again."""
    PLACING = "placing"
    """A pull: bytes verified, the final rename may have happened."""
    DONE = "done"
    REFUSED = "refused"
    DROPPED = "dropped"
    """Overtaken: the file changed or vanished before it was sent."""


class Outcome(StrEnum):
    """A server's answer to one upload of a batch."""

    STORED = "stored"
    EXISTED = "existed"
    REFUSED = "refused"
    CHANGED = "changed"
    """The item that was to be replaced is another version by now. Nothing was stored."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Mark:
    """What we write into an item at upload so that it is recognised later.

    token: see `boardsync.plan.tokens`. file: digest of the local file. sent: digest of
    the bytes that were sent. recipe: how they were prepared, `original` when untouched.
    name: the file's path, only when the mirror's settings ask for it.
    """

    mirror: str
    token: str
    file: str
    sent: str
    recipe: str
    version: int = 1
    name: str | None = None


UNCATEGORIZED_WORD: Final = "none"
"""How InvokeAI's addresses, and people here, name the absence of a board."""


@dataclass(frozen=True, slots=True)
class Board:
    """A container of pictures on a server.

    board_id: None for InvokeAI's Uncategorized. Fields that a kind does not have are None.
    """

    board_id: str | None
    name: str
    images: int | None = None
    assets: int | None = None
    archived: bool | None = None
    visibility: str | None = None
    created_ms: int | None = None
    updated_ms: int | None = None
    cover: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A picture on a board, as the server describes it.

    version: constant where items never change. extension: with dot, lower case, of the
    bytes that a download gives. origin: `external` uploaded, `internal` made by the server.
    trashed: it lies in the server's trash, where no board shows it.
    """

    item_id: str
    board_id: str | None
    version: str = ""
    width: int | None = None
    height: int | None = None
    created_ms: int | None = None
    category: str | None = None
    intermediate: bool = False
    starred: bool = False
    origin: str | None = None
    extension: str = ".png"
    size: int | None = None
    trashed: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing: enough to see what is new, gone or changed."""

    item_id: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a board held at one moment.

    complete: False proves presence only, never absence. digest: of the listing's body;
    entries is None when that digest equals the one the caller already knew.
    """

    board_id: str | None
    digest: str
    entries: tuple[Entry, ...] | None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Upload:
    """One picture to send, from one snapshot.

    name: the remote name where the kind keeps names. content: the prepared bytes.
    mark: written into the item, in the same step where the kind can. replaces: only where names
    are kept; the item whose name and place this one takes, while it goes to the trash under
    `trash_key`, in one step.
    """

    name: str
    content: bytes = field(repr=False)
    media_type: str
    mark: Mark
    category: Category = Category.USER
    width: int = 0
    height: int = 0
    created_ms: int | None = None
    replaces: Item | None = None
    trash_key: str = ""


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The answer for one upload. item is set for STORED and EXISTED, error for the others."""

    outcome: Outcome
    item: Item | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """What a download brought: the digest and size of bytes that were checked to be whole."""

    digest: str
    size: int
    width: int
    height: int
    extension: str


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server says of itself. remarks: things a person should know."""

    kind: str
    version: str
    address: str
    remarks: tuple[str, ...] = ()

    @property
    def software(self) -> str:
        """The kind and its version, where it has one."""
        return f"{self.kind} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of server can do. The engine asks this record, never the kind.

    marks_atomic: a mark is stored in the same step as its bytes. names_kept: the item's
    name is ours to choose. mutable: an item's bytes may change under the same id.
    reencodes: downloads differ in bytes from what was sent. batch: uploads per call.
    early_visible: items are listed before their bytes are complete. trash: items can be removed
    so that they come back. deletes: items can be deleted for good, where there is no trash.
    moves: items can change board and name without being sent again.
    renames_boards: boards can get another name and stay the same board.
    categories: the server sorts pictures into InvokeAI's categories. poll_floor: shortest
    sensible seconds between listings. changes_at_once: moves, removals and returns from the trash
    that gain by being asked for together. needs_*: what the server would spoil, so that the
    preparation repairs it first: orientation, colour profiles, modes it drops or fails on.
    reads: names of the formats it takes, None for all. directory: of this machine, whose
    sub-directories are the boards; None where they are elsewhere.
    """

    kind: str
    marks_atomic: bool
    names_kept: bool
    mutable: bool
    reencodes: bool
    categories: bool
    early_visible: bool
    trash: bool = False
    deletes: bool = False
    moves: bool = False
    renames_boards: bool = False
    batch: int = 1
    poll_floor: float = 2.0
    uploads_at_once: int = 2
    downloads_at_once: int = 4
    changes_at_once: int = 4
    needs_upright: bool = False
    needs_srgb: bool = False
    needs_plain_modes: bool = False
    reads: frozenset[str] | None = None
    max_pixels: int | None = None
    max_bytes: int | None = None
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class FileStat:
    """What `stat` said of a file: the cheap half of an observation."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Action:
    """One planned step, with the reason for it in words.

    path is None for an item that has no file yet, item_id None for a file that has no item.
    link: our number of the link that is acted on. target: the path that a file has now.
    """

    kind: ActionKind
    mirror: str
    reason: str
    path: bytes | None = None
    digest: str | None = None
    board_id: str | None = None
    item_id: str | None = None
    version: str = ""
    token: str | None = None
    subfolder: bytes = b""
    link: int | None = None
    target: bytes | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals of one run, for the summary and the history."""

    uploaded: int = 0
    downloaded: int = 0
    linked: int = 0
    refused: int = 0
    failed: int = 0
    waiting: int = 0
    extra: Mapping[str, int] = field(default_factory=dict)
