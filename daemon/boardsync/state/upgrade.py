"""Bringing a state file to the schema this program knows, with a copy made before.

Alembic is imported late: a daemon whose file is current never loads it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import structlog

from boardsync.errors import NeedsPerson, StateTooNew
from boardsync.state.copies import copy_database

HEAD = "0005"
"""The newest revision in migrations/versions; a test holds it against Alembic's own answer."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Migrations:
    """A history of the schema: where its revisions lie, and the newest of them."""

    directory: Path
    head: str = HEAD


def shipped() -> Migrations:
    """Return the history that comes with this program: in the wheel, or in a source tree."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "migrations"
    return Migrations(inside if inside.is_dir() else package.parent.parent / "migrations")


def revision_of(path: Path) -> str | None:
    """Return a file's schema revision; None for a file that is missing or holds nothing yet.

    Raises NeedsPerson for a database of another program, sqlite3.Error for none at all.
    """
    if not path.exists():
        return None
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        if not tables:
            return None
        if "alembic_version" not in tables:
            raise NeedsPerson(
                f"{path}: a database of another program, left as it is; give another `state`"
                " in the settings"
            )
        row = db.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def refuse_newer(path: Path, head: str = HEAD) -> str | None:
    """Return a file's revision. Raises StateTooNew when this program does not know it."""
    found = revision_of(path)
    if found is not None and found > head:
        raise StateTooNew(
            f"{path}: written by a newer boardsync (schema {found}, this program knows {head});"
            " install that version again, or give this one its own `state` setting"
        )
    return found


def to_head(path: Path, migrations: Migrations | None = None) -> None:
    """Make or upgrade the schema. An existing file is copied first, and the copy's name told.

    Raises StateTooNew or NeedsPerson with the file untouched, and what `copy_database` raises.
    """
    known = migrations or shipped()
    found = refuse_newer(path, known.head)
    if found == known.head:
        return
    if found is not None:
        _copy_before_upgrade(path, found, known.head)
    _run_alembic(path, known.directory)


def _copy_before_upgrade(path: Path, found: str, head: str) -> None:
    kept = path.with_name(f"{path.name}.before-{head}")
    copy_database(path, kept)
    log.info("upgrading the state file", schema_from=found, schema_to=head, copy=str(kept))


def _run_alembic(path: Path, directory: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(directory).replace("%", "%%"))
    config.attributes["path"] = path
    command.upgrade(config, "head")
