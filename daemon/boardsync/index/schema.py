"""The index's tables, and the numbers by which a file of other tables is known.

Texts are kept once for all pictures that tell the same: those of one go differ in their seeds
only. FTS5 looks into them and keeps no copy of its own.
"""

from __future__ import annotations

from typing import Final

APPLICATION: Final = 0x62736978
"""Stands in the file's header (`PRAGMA application_id`): what carries it is ours to delete."""
VERSION: Final = 2
"""Of the tables. An index of another version is made anew."""

READER: Final = 1
"""Raised when another version reads something else of the same picture: all are read anew."""

TEXTS: Final = (
    "prompt", "negative", "model", "model_hash", "loras", "software", "sampler", "scheduler",
)  # fmt: skip
"""The columns of text, in the order in which they are written."""

_COLUMNS: Final = ", ".join(TEXTS)
_OLD: Final = ", ".join(f"old.{name}" for name in TEXTS)
_NEW: Final = ", ".join(f"new.{name}" for name in TEXTS)
_SPAN_IS_OVER: Final = (
    "DELETE FROM span WHERE folder = {0}.folder AND first ="
    " (SELECT max(first) FROM span WHERE folder = {0}.folder AND first <= {0}.path)"
    " AND (until IS NULL OR until > {0}.path)"
)

TABLES: Final = (
    "CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    # mirror: its name, for people; NULL for a folder that is nobody's. identity: which directory
    # it was. looked_ms: when all of it was last looked at.
    """CREATE TABLE folder (
        id INTEGER PRIMARY KEY, root BLOB NOT NULL UNIQUE, mirror TEXT,
        identity TEXT NOT NULL DEFAULT '', looked_ms INTEGER
    )""",
    f"""CREATE TABLE telling (
        id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,
        {", ".join(f"{name} TEXT" for name in TEXTS)}
    )""",
    # device: the disk that it was read from. reader: the version that read it, 0 for what is still
    # to be read. again: look at it once more the next time. telling: 0 where no text is told. seed:
    # see `records.seed_key`.
    """CREATE TABLE file (
        id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, path BLOB NOT NULL,
        size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL, device INTEGER,
        reader INTEGER NOT NULL DEFAULT 0, again INTEGER NOT NULL DEFAULT 0,
        telling INTEGER NOT NULL DEFAULT 0, seed BLOB, width INTEGER, height INTEGER, trouble TEXT
    )""",
    "CREATE UNIQUE INDEX file_path ON file (folder, path)",
    "CREATE INDEX file_newest ON file (mtime_ns, telling)",
    "CREATE INDEX file_telling ON file (telling, mtime_ns) WHERE telling != 0",
    "CREATE INDEX file_seed ON file (seed) WHERE seed IS NOT NULL",
    "CREATE INDEX file_size ON file (width, height) WHERE width IS NOT NULL",
    "CREATE INDEX file_inode ON file (inode)",
    "CREATE INDEX file_unread ON file (folder) WHERE reader = 0",
    "CREATE INDEX file_again ON file (folder) WHERE again != 0",
    # The files of a folder from one path to before another, in byte order (NULL: to the last), and
    # a digest over what all of them look like: one row to compare instead of a thousand.
    """CREATE TABLE span (
        folder INTEGER NOT NULL, first BLOB NOT NULL, until BLOB, digest BLOB NOT NULL,
        PRIMARY KEY (folder, first)
    ) WITHOUT ROWID""",
    f"""CREATE VIRTUAL TABLE word USING fts5(
        {_COLUMNS}, content='telling', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
    )""",
    f"""CREATE TRIGGER telling_told AFTER INSERT ON telling BEGIN
        INSERT INTO word (rowid, {_COLUMNS}) VALUES (new.id, {_NEW});
    END""",
    f"""CREATE TRIGGER telling_gone AFTER DELETE ON telling BEGIN
        INSERT INTO word (word, rowid, {_COLUMNS}) VALUES ('delete', old.id, {_OLD});
    END""",
    # Leads from any three characters to the paths that hold them, and keeps nothing else.
    "CREATE VIRTUAL TABLE part USING fts5(path, content='', tokenize='trigram', detail=none)",
    # Whoever changes a file: the digest over it and others holds no longer.
    f"""CREATE TRIGGER file_came AFTER INSERT ON file BEGIN
        INSERT INTO part (rowid, path) VALUES (new.id, CAST(new.path AS TEXT));
        {_SPAN_IS_OVER.format("new")};
    END""",
    f"""CREATE TRIGGER file_left AFTER DELETE ON file BEGIN
        INSERT INTO part (part, rowid, path) VALUES ('delete', old.id, CAST(old.path AS TEXT));
        {_SPAN_IS_OVER.format("old")};
    END""",
    f"""CREATE TRIGGER file_changed AFTER UPDATE OF size, mtime_ns, ctime_ns, inode ON file
        WHEN old.size != new.size OR old.mtime_ns != new.mtime_ns
        OR old.ctime_ns != new.ctime_ns OR old.inode != new.inode
        BEGIN {_SPAN_IS_OVER.format("new")}; END""",
    # Nobody tells it any more.
    """CREATE TRIGGER file_gone AFTER DELETE ON file WHEN old.telling != 0
        AND NOT EXISTS (SELECT 1 FROM file WHERE telling = old.telling) BEGIN
        DELETE FROM telling WHERE id = old.telling;
    END""",
    """CREATE TRIGGER file_told_anew AFTER UPDATE OF telling ON file
        WHEN old.telling != 0 AND old.telling != new.telling
        AND NOT EXISTS (SELECT 1 FROM file WHERE telling = old.telling) BEGIN
        DELETE FROM telling WHERE id = old.telling;
    END""",
)
PARTS: Final = tuple(
    each.removeprefix("CREATE ").removeprefix("VIRTUAL ").removeprefix("UNIQUE ").split(" ")[1]
    for each in TABLES
)
"""The names of all of them."""
