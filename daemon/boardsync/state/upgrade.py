"""Bringing a state file to the schema this program knows, with a copy made before.

Alembic is imported late: a daemon whose file is current never loads it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import structlog

from boardsync.errors import StateTooNew
from boardsync.state.copies import copy_database

HEAD = "0001"
"""The newest revision in migrations/versions; a test holds it against Alembic's own answer."""

log = structlog.get_logger(__name__)


def migrations_directory() -> Path:
    """Return where the migrations lie: in the wheel, or at the top of a source tree."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "migrations"
    return shipped if shipped.is_dir() else package.parent.parent / "migrations"


def revision_of(path: Path) -> str | None:
    """Return a file's schema revision; None for a file without one."""
    if not path.exists():
        return None
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        try:
            row = db.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return None
    return None if row is None else str(row[0])


def refuse_newer(path: Path) -> None:
    """Raise StateTooNew when the file was written by a program that knows more than this one."""
    found = revision_of(path)
    if found is not None and found > HEAD:
        raise StateTooNew(
            f"{path}: written by a newer boardsync (schema {found}, this program knows {HEAD});"
            " install that version again, or give this one its own `state` setting"
        )


def to_head(path: Path) -> None:
    """Make or upgrade the schema. An existing file is copied first, and the copy's name told."""
    refuse_newer(path)
    found = revision_of(path)
    if found == HEAD:
        return
    if found is not None:
        _copy_before_upgrade(path, found)
    _run_alembic(path)


def _copy_before_upgrade(path: Path, found: str) -> None:
    kept = path.with_name(f"{path.name}.before-{HEAD}")
    copy_database(path, kept)
    log.info("upgrading the state file", schema_from=found, schema_to=HEAD, copy=str(kept))


def _run_alembic(path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    config.attributes["path"] = path
    command.upgrade(config, "head")
