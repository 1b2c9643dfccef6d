"""Backups by hand: taken beside a daemon, put back without losing or doubling a picture."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from boardsync.state.copies import check_integrity
from boardsync.state.upgrade import Migrations, shipped, to_head
from cli.place_kit import Place, everything, wait_until
from state.damage import damage


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept.db"


def test_a_backup_beside_a_daemon_is_whole_and_its_owners_alone(place: Place, file: Path) -> None:
    place.picture("a.png", 1)
    with place.daemon() as daemon:
        wait_until(lambda: "a.png" in place.on_board(), daemon.told)
        place.json("once")
        told = place.json("backup", str(file))
        assert place.json("backup", str(file)) == told  # an older one is replaced
        refused = place("restore-state", str(file))
        assert refused.exit_code == 75
        assert f"in use by another boardsync (process {daemon.process.pid})" in refused.stderr
    assert told == {"file": str(file), "bytes": file.stat().st_size}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert check_integrity(file) is None
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT count(*) FROM link").fetchone() == (1,)
    assert [name for name in os.listdir(file.parent) if name.startswith("kept")] == ["kept.db"]


def test_a_restored_state_is_a_day_old_and_nothing_is_lost_or_doubled(
    place: Place, file: Path
) -> None:
    place.believe_at_once()
    for seed in range(4):
        place.picture(f"{seed}.png", seed)
    place.board_picture("output.png", 50)
    place.json("once")
    place("backup", str(file))
    place.picture("later.png", 10)
    place.board_picture("later output.png", 51)
    os.rename(place.folder / "0.png", place.folder / "renamed.png")
    for _ in range(2):
        place.json("once")
    both = everything(place.folder), place.on_board()

    told = place.json("restore-state", str(file))

    kept = Path(told["kept"])
    assert kept.name.startswith("state.db.replaced-")
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("SELECT count(*) FROM link WHERE path = 'later.png'").fetchone()
    for _ in range(3):
        [result] = place.json("once")["mirrors"]
        assert (result["uploaded"], result["downloaded"], result["trashed"]) == (0, 0, 0)
    assert (everything(place.folder), place.on_board()) == both
    assert result["good"]
    assert result["synced"] == 7


def test_what_is_no_sound_backup_changes_nothing(place: Place, file: Path) -> None:
    place.picture("a.png", 1)
    place.json("once")
    place("backup", str(file))
    before = everything(place.state.parent)
    damaged, text, newer = (file.with_name(name) for name in ("damaged", "text", "newer"))
    damaged.write_bytes(file.read_bytes())
    damage(damaged)
    text.write_text("a picture, perhaps")
    newer.write_bytes(file.read_bytes())
    with closing(sqlite3.connect(newer)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    for wrong, words in (
        (damaged, "is damaged"),
        (text, "is no backup"),
        (newer, "written by a newer boardsync"),
        (place.state, "is the state itself"),
        (file.with_name("nowhere"), "there is no such file"),
        (file.parent, "is a folder"),
    ):
        result = place("restore-state", str(wrong))
        assert (result.exit_code, words in result.stderr) == (1, True), result.stderr
    unlocked = {key: value for key, value in everything(place.state.parent).items()
                if not key.endswith(".lock")}  # fmt: skip
    assert unlocked == {key: value for key, value in before.items() if not key.endswith(".lock")}


def test_a_backup_replaces_nothing_but_a_backup(place: Place, file: Path) -> None:
    assert "there is no state yet" in place("backup", str(file)).stderr
    place.json("once")
    file.write_bytes(b"a picture, perhaps")
    for wrong, words in (
        (file, "no backup of a state"),
        (place.state, "the state itself"),
        (file.parent, "is a folder"),
        (file.parent / "nowhere" / "kept.db", f"there is no folder {file.parent / 'nowhere'}"),
    ):
        result = place("backup", str(wrong))
        assert (result.exit_code, words in result.stderr) == (1, True), result.stderr
    assert file.read_bytes() == b"a picture, perhaps"


def test_a_state_that_is_lost_or_corrupt_is_restored_from_a_backup(
    place: Place, file: Path
) -> None:
    place.picture("a.png", 1)
    place.json("once")
    place("backup", str(file))
    place.state.write_bytes(b"torn to pieces")
    told = place.json("restore-state", str(file))
    assert Path(told["kept"]).read_bytes() == b"torn to pieces"
    place.state.unlink()
    assert place.json("restore-state", str(file))["kept"] is None
    assert place.json("status")["mirrors"][0]["synced"] == 1


def test_the_log_of_a_killed_daemon_does_not_get_into_the_restored_state(
    place: Place, file: Path
) -> None:
    place.picture("a.png", 1)
    place.json("once")
    place("backup", str(file))
    with place.daemon() as daemon:
        for seed in range(2, 8):
            place.picture(f"{seed}.png", seed)
        wait_until(lambda: len(place.on_board()) == 7, daemon.told)
    wal = place.state.with_name("state.db-wal")
    assert wal.stat().st_size > 0
    kept = Path(place.json("restore-state", str(file))["kept"])
    assert kept.with_name(f"{kept.name}-wal").stat().st_size > 0
    assert not wal.exists()
    assert check_integrity(place.state, thorough=True) is None
    with closing(sqlite3.connect(place.state)) as db:
        assert db.execute("SELECT count(*) FROM link").fetchone() == (1,)
    before = place.on_board()
    [result] = place.json("once")["mirrors"]
    assert (result["uploaded"], result["synced"], place.on_board()) == (0, 7, before)


def test_a_backup_of_an_older_boardsync_is_restored_and_upgraded_by_the_next_run(
    place: Place, file: Path, tmp_path: Path
) -> None:
    history = tmp_path / "history"
    later = shutil.ignore_patterns("__pycache__", "0002_*", "0003_*", "0004_*", "0005_*")
    shutil.copytree(shipped().directory, history, ignore=later)
    to_head(file, Migrations(history, "0001"))
    place.picture("a.png", 1)
    place.json("once")
    assert place.json("restore-state", str(file))["schema"] == "0001"
    [result] = place.json("once")["mirrors"]
    assert (result["uploaded"], result["synced"]) == (0, 1)
    assert list(place.on_board()) == ["a.png"]
