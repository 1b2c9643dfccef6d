"""The tables. Their history is in migrations/; a test holds the two against each other.

What triggers keep (`files`, `items`, `file_side` ...) nobody else writes.

Times are integers: `_ns` and `_ms` since the epoch, UTC. Digests are stored as 32 bytes and
travel as hex. Tables with a natural key are WITHOUT ROWID: at a million files the row is the
index.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BLOB,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator


class Digest(TypeDecorator[str]):
    """A hex digest outside, half the bytes inside."""

    impl = BLOB
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> bytes | None:  # noqa: ARG002
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Any) -> str | None:  # noqa: ARG002
        return None if value is None else value.hex()


class Name(TypeDecorator[str]):
    """Text that may hold bytes that are no UTF-8 (`os.fsdecode`): a BLOB then, as it was else."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> Any:  # noqa: ARG002
        return None if value is None else encode_name(value)

    def process_result_value(self, value: Any, dialect: Any) -> str | None:  # noqa: ARG002
        return None if value is None else decode_name(value)


class Words(TypeDecorator[str]):
    """Text for people. What no UTF-8 can hold is kept as an escape."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:  # noqa: ARG002
        return None if value is None else writable_words(value)


def encode_name(name: str) -> str | bytes:
    """Return a name as SQLite can keep it; the same name always in the same way."""
    if name.isascii():
        return name
    raw = name.encode("utf-8", "surrogatepass")
    return name if raw == name.encode("utf-8", "replace") else raw


def decode_name(kept: str | bytes) -> str:
    """Return a name as it was before `encode_name`."""
    return kept.decode("utf-8", "surrogatepass") if isinstance(kept, bytes) else kept


def writable_words(text_: str) -> str:
    """Return text with escapes for what cannot be written as UTF-8."""
    return text_.encode("utf-8", "backslashreplace").decode()


metadata = MetaData()

mirror = Table(
    "mirror",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("root", Text),
    Column("scanned_ms", Integer),
    Column("scan_complete", Boolean, nullable=False, server_default=text("0")),
    Column("limits", Text),
    Column("links_changed", Integer, nullable=False, server_default=text("0")),
    Column("files", Integer, nullable=False, server_default=text("0")),
    Column("file_bytes", Integer, nullable=False, server_default=text("0")),
    Column("trouble", Words),
    Column("trouble_since_ms", Integer),
)

board = Table(
    "board",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mirror", ForeignKey("mirror.id"), nullable=False),
    Column("subfolder", BLOB, nullable=False),
    Column("asked", Words, nullable=False),
    Column("server_id", Text),
    Column("name", Words, nullable=False),
    Column("current", Boolean, nullable=False, server_default=text("1")),
    Column("made_by_us", Boolean, nullable=False, server_default=text("0")),
    Column("folder", Text),
    Column("listing_digest", Text),
    Column("listed_ms", Integer),
    Column("listing_seconds", Float),
    Column("missing_since_ms", Integer),
    Column("items", Integer, nullable=False, server_default=text("0")),
)
Index(
    "board_current",
    board.c.mirror,
    board.c.subfolder,
    unique=True,
    sqlite_where=board.c.current == text("1"),
)

file = Table(
    "file",
    metadata,
    Column("mirror", ForeignKey("mirror.id"), primary_key=True),
    Column("path", BLOB, primary_key=True),
    Column("key", Name),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("ctime_ns", Integer, nullable=False),
    Column("inode", Integer, nullable=False),
    Column("changed_ns", Integer, nullable=False),
    Column("hashed_ns", Integer),
    Column("digest", Digest),
    Column("refusal", Words),
    sqlite_with_rowid=False,
)
Index("file_by_digest", file.c.mirror, file.c.digest)
Index(
    "file_unhashed",
    file.c.mirror,
    file.c.path,
    sqlite_where=file.c.hashed_ns.is_(None),
)

Index(
    "file_refused",
    file.c.mirror,
    file.c.path,
    sqlite_where=file.c.refusal.is_not(None),
)

item = Table(
    "item",
    metadata,
    Column("board", ForeignKey("board.id"), primary_key=True),
    Column("item_id", Name, primary_key=True),
    Column("version", Text, nullable=False),
    Column("read", Boolean, nullable=False, server_default=text("0")),
    Column("mark", Text),
    Column("token", Text),
    Column("width", Integer),
    Column("height", Integer),
    Column("created_ms", Integer),
    Column("category", Text),
    Column("intermediate", Boolean, nullable=False, server_default=text("0")),
    Column("starred", Boolean, nullable=False, server_default=text("0")),
    Column("origin", Text),
    Column("extension", Text),
    Column("size", Integer),
    sqlite_with_rowid=False,
)
Index("item_unread", item.c.board, sqlite_where=item.c.read == text("0"))
Index("item_by_token", item.c.token, sqlite_where=item.c.token.is_not(None))

unproven = Table(
    "unproven",
    metadata,
    Column("board", ForeignKey("board.id"), primary_key=True),
    Column("item_id", Name, primary_key=True),
    Column("since_ms", Integer, nullable=False),
    sqlite_with_rowid=False,
)

link = Table(
    "link",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mirror", ForeignKey("mirror.id"), nullable=False),
    Column("path", BLOB, nullable=False),
    Column("digest", Digest, nullable=False),
    Column("board", ForeignKey("board.id"), nullable=False),
    Column("item_id", Name, nullable=False),
    Column("version", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("made", Text, nullable=False),
    Column("sent", Digest),
    Column("pixels", Digest),
    Column("recipe", Text),
    Column("since_ms", Integer, nullable=False),
    Column("run", Integer),
    Column("file_gone_ms", Integer),
    Column("file_gone_inode", Integer),
    Column("item_gone_ms", Integer),
    Column("item_asked", Integer, nullable=False, server_default=text("0")),
    Column("item_asked_ms", Integer),
    Column("consent", Text),
    Column("file_side", Integer, nullable=False, server_default=text("0")),
    Column("item_side", Integer, nullable=False, server_default=text("0")),
    sqlite_autoincrement=True,
)
"""file_side: 0 without a file at the path, 1 with another picture or one that is not read, 2 with
the linked one. item_side: 1 while the item is listed in the linked version. See `triggers`."""
# State and board are there to be counted: so the index holds the answer for a million links.
Index("link_by_path", link.c.mirror, link.c.path, link.c.state, link.c.board)
Index("link_by_state", link.c.mirror, link.c.state, link.c.board)
OUT_OF_STEP = "state = 'agreed' AND (file_side <> 2 OR item_side <> 1)"
"""Of links, in the words of the index."""
Index("link_out_of_step", link.c.mirror, link.c.board, sqlite_where=text(OUT_OF_STEP))
Index("link_by_item", link.c.board, link.c.item_id)
Index("link_by_digest", link.c.mirror, link.c.digest)
FILE_GONE = "state = 'agreed' AND file_gone_ms IS NOT NULL"
"""Of links, in the words of the index: only so does SQLite see that it holds the answer."""
Index(
    "link_file_gone",
    link.c.mirror,
    sqlite_where=text(FILE_GONE),
)
Index(
    "link_item_gone",
    link.c.mirror,
    link.c.board,
    sqlite_where=text("state = 'agreed' AND item_gone_ms IS NOT NULL"),
)

transfer = Table(
    "transfer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mirror", ForeignKey("mirror.id"), nullable=False),
    Column("run", Integer),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Words, nullable=False),
    Column("board", ForeignKey("board.id"), nullable=False),
    Column("path", BLOB),
    Column("digest", Digest),
    Column("token", Text),
    Column("item_id", Name),
    Column("version", Text, nullable=False, server_default=""),
    Column("link", Integer),
    Column("target", BLOB),
    Column("final", BLOB),
    Column("temporary", BLOB),
    Column("got", Digest),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("lookups", Integer, nullable=False, server_default=text("0")),
    Column("not_before_ms", Integer, nullable=False, server_default=text("0")),
    Column("first_sent_ms", Integer),
    Column("error", Words),
    Column("error_class", Text),
    Column("created_ms", Integer, nullable=False),
    Column("updated_ms", Integer, nullable=False),
)
_LIVE = "state NOT IN ('done', 'refused', 'dropped')"
Index(
    "transfer_waiting",
    transfer.c.mirror,
    transfer.c.kind,
    transfer.c.not_before_ms,
    sqlite_where=text(_LIVE),
)
Index(
    "transfer_one_upload",
    transfer.c.board,
    transfer.c.token,
    unique=True,
    sqlite_where=text(f"kind = 'upload' AND {_LIVE}"),
)
Index(
    "transfer_one_download",
    transfer.c.board,
    transfer.c.item_id,
    unique=True,
    sqlite_where=text(f"kind = 'download' AND {_LIVE}"),
)
Index(
    "transfer_one_of_link",
    transfer.c.link,
    unique=True,
    sqlite_where=text(f"link IS NOT NULL AND {_LIVE}"),
)
Index("transfer_by_path", transfer.c.mirror, transfer.c.path)
Index(
    "transfer_by_item",
    transfer.c.board,
    transfer.c.item_id,
    sqlite_where=transfer.c.item_id.is_not(None),
)

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mirror", ForeignKey("mirror.id"), nullable=False),
    Column("cause", Text, nullable=False),
    Column("started_ms", Integer, nullable=False),
    Column("ended_ms", Integer),
    Column("planned", Integer, nullable=False, server_default=text("0")),
    Column("uploaded", Integer, nullable=False, server_default=text("0")),
    Column("downloaded", Integer, nullable=False, server_default=text("0")),
    Column("linked", Integer, nullable=False, server_default=text("0")),
    Column("moved", Integer, nullable=False, server_default=text("0")),
    Column("trashed", Integer, nullable=False, server_default=text("0")),
    Column("refused", Integer, nullable=False, server_default=text("0")),
    Column("error", Words),
    sqlite_autoincrement=True,
)
Index("run_by_mirror", run.c.mirror, run.c.id)

trash = Table(
    "trash",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mirror", ForeignKey("mirror.id"), nullable=False),
    Column("run", Integer),
    Column("side", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Words, nullable=False),
    Column("guarded", Boolean, nullable=False),
    Column("link", Integer),
    Column("path", BLOB),
    Column("digest", Digest),
    Column("board", ForeignKey("board.id"), nullable=False),
    Column("item_id", Name),
    Column("version", Text, nullable=False, server_default=""),
    Column("place", BLOB),
    Column("trashed_id", Name),
    Column("size", Integer),
    Column("since_ms", Integer, nullable=False),
    Column("updated_ms", Integer, nullable=False),
    Column("error", Words),
)
Index("trash_by_mirror", trash.c.mirror, trash.c.state, trash.c.since_ms)
Index("trash_by_run", trash.c.run)
Index("trash_by_link", trash.c.link)

moved = Table(
    "moved",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mirror", ForeignKey("mirror.id"), nullable=False),
    Column("run", Integer),
    Column("what", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("link", Integer),
    Column("path_before", BLOB, nullable=False),
    Column("path_after", BLOB, nullable=False),
    Column("board_before", ForeignKey("board.id"), nullable=False),
    Column("board_after", ForeignKey("board.id"), nullable=False),
    Column("item_before", Name, nullable=False),
    Column("item_after", Name, nullable=False),
    Column("version", Text, nullable=False, server_default=""),
    Column("since_ms", Integer, nullable=False),
    Column("updated_ms", Integer, nullable=False),
)
Index("moved_by_run", moved.c.run)

hold = Table(
    "hold",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mirror", ForeignKey("mirror.id"), nullable=False),
    Column("side", Text, nullable=False),
    Column("reason", Words, nullable=False),
    Column("since_ms", Integer, nullable=False),
    Column("resolved_ms", Integer),
    Column("resolution", Text),
)
Index("hold_open", hold.c.mirror, hold.c.side, sqlite_where=hold.c.resolved_ms.is_(None))

held = Table(
    "held",
    metadata,
    Column("hold", ForeignKey("hold.id"), primary_key=True),
    Column("link", Integer, primary_key=True),
    sqlite_with_rowid=False,
)

job = Table(
    "job",
    metadata,
    Column("name", Text, primary_key=True),
    Column("done_ms", Integer, nullable=False),
    sqlite_with_rowid=False,
)

pause = Table(
    "pause",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("since_ms", Integer, nullable=False),
    Column("until_ms", Integer),
    sqlite_with_rowid=False,
)
"""What a person paused. scope: all, server or mirror; name: empty for all."""

alarm = Table(
    "alarm",
    metadata,
    Column("cause", Text, primary_key=True),
    Column("words", Words, nullable=False),
    Column("since_ms", Integer, nullable=False),
    Column("told_ms", Integer),
    sqlite_with_rowid=False,
)
"""Causes of alarms that last. told_ms: when somebody was told; none for one that waits for it."""

rot = Table(
    "rot",
    metadata,
    Column("mirror", ForeignKey("mirror.id"), primary_key=True),
    Column("path", BLOB, primary_key=True),
    Column("was", Digest, nullable=False),
    Column("found", Digest, nullable=False),
    Column("noticed_ms", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Files whose bytes changed while nobody wrote to them. was: the digest that they had."""

failed_reading = Table(
    "failed_reading",
    metadata,
    Column("mirror", ForeignKey("mirror.id"), primary_key=True),
    Column("path", BLOB, primary_key=True),
    Column("reason", Words, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("since_ms", Integer, nullable=False),
    Column("failed_ms", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Files that could not be read when they were to be hashed. failed_ms: when last."""

strayed = Table(
    "strayed",
    metadata,
    Column("link", Integer, primary_key=True),
    Column("version", Text, nullable=False),
    Column("words", Words, nullable=False),
    Column("shown", Digest),
    Column("noticed_ms", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Links whose item, in this version, does not show what was sent. shown: its bytes, or pixels."""

doubled = Table(
    "doubled",
    metadata,
    Column("board", ForeignKey("board.id"), primary_key=True),
    Column("token", Text, primary_key=True),
    sqlite_with_rowid=False,
)
"""Tokens that several items of a board carry, or carried. Triggers keep it."""
