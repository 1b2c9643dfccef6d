"""The schema and its history: one truth in two places, and no upgrade that loses anything."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from boardsync.errors import StateTooNew
from boardsync.plan.layout import Layout
from boardsync.state import moves, places, summary, triggers, unproven, upgrade
from boardsync.state.schema import metadata
from boardsync.state.upgrade import Migrations, revision_of, shipped, to_head
from state.state_kit import logged, opened

NEXT = "9999"
EARLIER = sorted(
    path.name.partition("_")[0] for path in (shipped().directory / "versions").glob("0*.py")
)[:-1]
_REVISION = '''
"""A revision for tests."""

from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade():
    op.execute("CREATE TABLE added (value INTEGER)")
    op.execute("UPDATE mirror SET key = key || ' upgraded'")
    {then}
'''


def history_with(directory: Path, then: str = "pass") -> Migrations:
    """Return the shipped history with one more revision behind it."""
    shutil.copytree(shipped().directory, directory, ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "versions" / "9999_added.py").write_text(
        _REVISION.format(then=then, head=upgrade.HEAD)
    )
    return Migrations(directory, NEXT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state file of the present schema with one mirror in it."""
    path = tmp_path / "state.db"
    with opened(path) as state:
        state.write_now(lambda c: places.mirror_id(c, "m"))
    return path


def keys(path: Path) -> list[str]:
    """Return the mirrors' keys as any program would read them."""
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT key FROM mirror")]


def shape(path: Path) -> dict[str, Any]:
    """Return what SQLite itself says of all tables and indexes."""
    with closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT name, type, sql FROM sqlite_master ORDER BY name").fetchall()
        return {
            name: sql
            if kind == "trigger"
            else _table(db, name)
            if kind == "table"
            else _index(db, name, sql)
            for name, kind, sql in names
            if name != "alembic_version" and not name.startswith("sqlite_autoindex_alembic")
        }


def _table(db: sqlite3.Connection, name: str) -> Any:
    columns = db.execute(f"PRAGMA table_xinfo({name})").fetchall()
    foreign = sorted(row[2:5] for row in db.execute(f"PRAGMA foreign_key_list({name})"))
    without_rowid = db.execute(f"SELECT wr FROM pragma_table_list('{name}')").fetchone()
    return sorted(row[1:] for row in columns), foreign, without_rowid


def _index(db: sqlite3.Connection, name: str, sql: str | None) -> Any:
    columns = db.execute(f"PRAGMA index_xinfo({name})").fetchall()
    unique = "UNIQUE" in (sql or "")
    return [row[2:] for row in columns], unique, (sql or "").partition(" WHERE ")[2]


class TestHistory:
    def test_the_newest_revision_is_alembics_newest(self) -> None:
        script = ScriptDirectory(str(shipped().directory))
        assert script.get_current_head() == upgrade.HEAD == shipped().head

    def test_revisions_are_in_the_order_of_their_names(self) -> None:
        """A newer file is told by comparing revisions as text."""
        script = ScriptDirectory(str(shipped().directory))
        order = [one.revision for one in script.walk_revisions()][::-1]
        assert order == sorted(order)

    def test_alembic_finds_nothing_to_migrate_in_a_new_file(self, path: Path) -> None:
        engine = create_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
        engine.dispose()

    def test_a_migrated_file_is_the_schema_to_the_last_partial_index(
        self, path: Path, tmp_path: Path
    ) -> None:
        engine = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
        metadata.create_all(engine)
        engine.dispose()
        assert triggers.TRIGGERS.keys() < shape(path).keys()
        assert shape(path) == shape(tmp_path / "direct.db")


class TestUpgrade:
    def test_an_upgrade_keeps_a_copy_of_the_file_before_it(
        self, path: Path, tmp_path: Path
    ) -> None:
        with logged() as logs:
            to_head(path, history_with(tmp_path / "history"))

        assert (revision_of(path), keys(path)) == (NEXT, ["m upgraded"])
        kept = path.with_name("state.db.before-9999")
        assert (revision_of(kept), keys(kept)) == (upgrade.HEAD, ["m"])
        [told] = logs
        assert (told["schema_from"], told["schema_to"], told["copy"]) == (
            upgrade.HEAD,
            NEXT,
            str(kept),
        )

    @pytest.mark.parametrize("revision", EARLIER)
    def test_a_file_of_an_earlier_schema_gets_what_was_added_since(
        self, tmp_path: Path, revision: str
    ) -> None:
        history = tmp_path / "history"
        later = [f"{one}_*" for one in [*EARLIER, upgrade.HEAD] if one > revision]
        unwanted = shutil.ignore_patterns("__pycache__", *later)
        shutil.copytree(shipped().directory, history, ignore=unwanted)
        old = tmp_path / "old.db"
        to_head(old, Migrations(history, revision))
        new = tmp_path / "new.db"
        to_head(new)
        assert shape(old) != shape(new)

        with opened(old) as state:
            mirror = state.write_now(lambda c: places.mirror_id(c, "m"))
            with state.read() as connection:
                assert (mirror, moves.of_run(connection, 1)) == (1, [])
                assert unproven.newest(connection, 1, 10) == []
        assert revision_of(old) == upgrade.HEAD
        assert shape(old) == shape(new)

    @pytest.mark.parametrize("revision", EARLIER)
    def test_what_an_earlier_file_holds_is_counted(self, tmp_path: Path, revision: str) -> None:
        history = tmp_path / "history"
        later = [f"{one}_*" for one in [*EARLIER, upgrade.HEAD] if one > revision]
        unwanted = shutil.ignore_patterns("__pycache__", *later)
        shutil.copytree(shipped().directory, history, ignore=unwanted)
        old = tmp_path / "old.db"
        to_head(old, Migrations(history, revision))
        with closing(sqlite3.connect(old)) as db:
            db.executescript(
                """
                INSERT INTO mirror (id, key) VALUES (1, 'm');
                INSERT INTO board (id, mirror, subfolder, asked, server_id, name)
                VALUES (1, 1, x'', 'b', 'b', 'b');
                INSERT INTO file (mirror, path, size, mtime_ns, ctime_ns, inode, changed_ns,
                    hashed_ns, digest) VALUES (1, x'61', 7, 1, 1, 1, 1, 1, x'aa'),
                    (1, x'62', 8, 1, 1, 1, 1, 1, x'ab');
                INSERT INTO item (board, item_id, version, read, token)
                VALUES (1, 'i', '1', 1, 't'), (1, 'j', '1', 1, 't');
                INSERT INTO link (mirror, path, digest, board, item_id, version, state, made,
                    since_ms) VALUES (1, x'61', x'aa', 1, 'i', '1', 'agreed', 'push', 1),
                    (1, x'62', x'ab', 1, 'gone', '1', 'agreed', 'push', 1);
                """
            )
        with opened(old) as state, state.read() as connection:
            wanted = ("files", "file_bytes", "items", "synced", "apart")
            told = summary.counts(connection, 1, Layout(), wanted)
            several = connection.execute(text("SELECT board, token FROM doubled")).all()
        assert told == {"files": 2, "file_bytes": 15, "items": 2, "synced": 1, "apart": 1}
        assert [tuple(row) for row in several] == [(1, "t")]

    def test_a_current_file_is_left_alone(self, path: Path) -> None:
        content, told = path.read_bytes(), path.stat()
        to_head(path)
        assert path.read_bytes() == content
        assert (path.stat().st_mtime_ns, path.stat().st_ino) == (told.st_mtime_ns, told.st_ino)
        assert not list(path.parent.glob("*.before-*"))

    def test_a_new_file_needs_no_copy(self, tmp_path: Path) -> None:
        to_head(tmp_path / "new.db")
        assert revision_of(tmp_path / "new.db") == upgrade.HEAD
        assert not list(tmp_path.glob("*.before-*"))

    def test_a_failed_upgrade_has_not_happened_and_can_be_tried_again(
        self, path: Path, tmp_path: Path
    ) -> None:
        broken = history_with(tmp_path / "broken", "op.execute('SELECT * FROM nowhere')")
        before = shape(path)
        for _ in range(2):
            with pytest.raises(OperationalError, match="nowhere"):
                to_head(path, broken)
        assert (revision_of(path), keys(path), shape(path)) == (upgrade.HEAD, ["m"], before)

        to_head(path, history_with(tmp_path / "mended"))
        assert (revision_of(path), keys(path)) == (NEXT, ["m upgraded"])
        assert keys(path.with_name("state.db.before-9999")) == ["m"]

    @pytest.mark.parametrize("revision", EARLIER)
    def test_an_upgrade_that_fails_at_its_last_step_takes_back_the_steps_before(
        self, tmp_path: Path, revision: str
    ) -> None:
        """So the program that wrote the file still runs on it."""
        history = tmp_path / "history"
        later = [f"{one}_*" for one in [*EARLIER, upgrade.HEAD] if one > revision]
        unwanted = shutil.ignore_patterns("__pycache__", *later)
        shutil.copytree(shipped().directory, history, ignore=unwanted)
        old, earlier = tmp_path / "old.db", Migrations(history, revision)
        to_head(old, earlier)
        before = shape(old)
        broken = history_with(tmp_path / "broken", "op.execute('SELECT * FROM nowhere')")

        with pytest.raises(OperationalError, match="nowhere"):
            to_head(old, broken)

        assert (revision_of(old), shape(old)) == (revision, before)
        content = old.read_bytes()
        to_head(old, earlier)  # as the old program does
        assert old.read_bytes() == content
        assert shape(old.with_name("old.db.before-9999")) == before

    def test_a_killed_upgrade_leaves_a_file_that_opens(self, path: Path, tmp_path: Path) -> None:
        deadly = history_with(
            tmp_path / "deadly", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        )
        script = (
            "import sys; from pathlib import Path\n"
            "from boardsync.state.upgrade import Migrations, to_head\n"
            "to_head(Path(sys.argv[1]), Migrations(Path(sys.argv[2]), '9999'))"
        )
        command = [sys.executable, "-c", script, path, deadly.directory]
        assert subprocess.run(command, env=os.environ).returncode == -signal.SIGKILL

        with opened(path) as state, state.read() as connection:
            assert connection.execute(text("SELECT key FROM mirror")).scalars().all() == ["m"]
        assert revision_of(path) == upgrade.HEAD
        to_head(path, history_with(tmp_path / "mended"))
        assert keys(path) == ["m upgraded"]

    def test_an_older_program_refuses_what_a_newer_one_upgraded(
        self, path: Path, tmp_path: Path
    ) -> None:
        to_head(path, history_with(tmp_path / "history"))
        content = path.read_bytes()
        with pytest.raises(StateTooNew, match=f"schema {NEXT}, this program knows {upgrade.HEAD}"):
            to_head(path)
        assert path.read_bytes() == content

    def test_a_daemon_whose_file_is_current_never_loads_alembic(self, path: Path) -> None:
        script = (
            "import sys; from pathlib import Path\n"
            "from boardsync.state.database import open_state\n"
            "open_state(Path(sys.argv[1])).close(); print('alembic' in sys.modules)"
        )
        command = [sys.executable, "-c", script, path]
        assert subprocess.run(command, capture_output=True, text=True).stdout == "False\n"
