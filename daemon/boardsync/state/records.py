"""What the queries give back: values, never rows."""

from __future__ import annotations

from dataclasses import dataclass

from boardsync.model import ActionKind, FileStat, TransferState


@dataclass(frozen=True, slots=True)
class BoardRecord:
    """A board as a mirror knows it. asked: what the settings called it when it was resolved.

    server_id None: Uncategorized.
    """

    id: int
    mirror: int
    subfolder: bytes
    asked: str
    server_id: str | None
    name: str
    made_by_us: bool
    listing_digest: str | None
    listed_ms: int | None
    listing_seconds: float | None
    missing_since_ms: int | None


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """An action being carried out. Paths are relative to the mirror's folder."""

    id: int
    mirror: int
    run: int | None
    kind: ActionKind
    state: TransferState
    reason: str
    board: int
    path: bytes | None
    digest: str | None
    token: str | None
    item_id: str | None
    version: str
    link: int | None
    target: bytes | None
    final: bytes | None
    temporary: bytes | None
    got: str | None
    attempts: int
    lookups: int
    not_before_ms: int
    first_sent_ms: int | None
    error: str | None
    error_class: str | None
    created_ms: int


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What was last seen of a file. hashed_ns None: changed since, or never hashed."""

    path: bytes
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    changed_ns: int
    hashed_ns: int | None
    digest: str | None
    refusal: str | None

    @property
    def stat(self) -> FileStat:
        return FileStat(self.size, self.mtime_ns, self.ctime_ns, self.inode)


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """That a file and an item are the same picture."""

    id: int
    path: bytes
    digest: str
    board: int
    item_id: str
    version: str
    state: str
    made: str
    recipe: str | None
    since_ms: int
    run: int | None
    consent: str | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One pass of one mirror that had something to do."""

    id: int
    mirror: str
    cause: str
    started_ms: int
    ended_ms: int | None
    planned: int
    uploaded: int
    downloaded: int
    linked: int
    moved: int
    trashed: int
    refused: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How a mirror stands. synced: files and items seen on both sides, by their links.

    settling: files that change, or were not read since they did. failing: transfers whose last
    attempt failed, and files that cannot be read now.
    unproven: items of ours, found on a board, of which it is not known yet whether they are whole.
    apart: linked pictures of which only one side is there now. held: removals that wait for
    consent. trashed: pictures in the trash, of both sides. rotten: files whose bytes changed while
    nobody wrote to them. strayed: items that were seen not to show what was sent.
    """

    files: int = 0
    items: int = 0
    synced: int = 0
    settling: int = 0
    refused: int = 0
    waiting: int = 0
    failing: int = 0
    unread: int = 0
    unproven: int = 0
    parted: int = 0
    apart: int = 0
    held: int = 0
    trashed: int = 0
    rotten: int = 0
    strayed: int = 0
    oldest_waiting_ms: int | None = None
