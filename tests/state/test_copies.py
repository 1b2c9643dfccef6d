"""Copies of the state: consistent, durable, and nothing is left of one that failed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from boardsync.errors import NeedsPerson, TryAgain
from boardsync.state.copies import check_integrity, copy_database
from places import in_namespace
from state.state_kit import opened


def step(connection: Connection) -> None:
    connection.execute(text("UPDATE n SET a = a + 1"))
    connection.execute(text("UPDATE n SET b = b + 1"))


def test_a_copy_of_a_file_that_is_being_written_shows_one_moment(tmp_path: Path) -> None:
    path, stop = tmp_path / "state.db", threading.Event()
    with opened(path, inline=False) as state:
        state.write_now(lambda c: c.execute(text("CREATE TABLE n (a INTEGER, b INTEGER)")))
        state.write_now(lambda c: c.execute(text("INSERT INTO n VALUES (0, 0)")))

        def write() -> None:
            while not stop.is_set():
                state.write_now(step)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(5):
                copy_database(path, tmp_path / f"copy{number}")
        finally:
            stop.set()
            writer.join()
    for number in range(5):
        assert check_integrity(tmp_path / f"copy{number}") is None
        with opened(tmp_path / f"copy{number}") as copy, copy.read() as connection:
            a, b = connection.execute(text("SELECT a, b FROM n")).one()
            assert a == b


def test_a_copy_is_a_single_file_and_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with opened(path):
        pass
    (tmp_path / "copy").write_bytes(b"an older copy")
    # What a killed copy left behind.
    (tmp_path / "copy.part").write_bytes(b"half of a copy")
    copy_database(path, tmp_path / "copy")
    assert [name for name in os.listdir(tmp_path) if name.startswith("copy")] == ["copy"]
    assert check_integrity(tmp_path / "copy") is None


def test_a_damaged_original_gives_no_copy_and_leaves_the_older_one(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"x" * 99)
    (tmp_path / "copy").write_bytes(b"an older copy")
    with pytest.raises(TryAgain, match="damaged"):
        copy_database(tmp_path / "state.db", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"an older copy"
    assert not (tmp_path / "copy.part").exists()


_ON_A_FULL_DISK = """
import os, subprocess, sys
from pathlib import Path
from boardsync.errors import NoRoom
from boardsync.state.copies import copy_database
from boardsync.state.database import open_state

disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], check=True)
state = open_state(disk / "state.db")
state.write_now(lambda c: c.exec_driver_sql("CREATE TABLE n (value)"))
room = os.statvfs(disk)
(disk / "filling").write_bytes(bytes(room.f_bavail * room.f_frsize - 20_000))
try:
    copy_database(disk / "state.db", disk / "copy")
except NoRoom as error:
    print(error)
state.close()
print(sorted(os.listdir(disk)))
"""


def test_a_full_disk_is_told_and_nothing_of_the_copy_takes_its_room(tmp_path: Path) -> None:
    told = in_namespace(_ON_A_FULL_DISK, str(tmp_path), mounts=True).splitlines()
    assert "the disk is full" in told[0]
    assert "copy" not in told[1]


def test_damage_is_told_apart_from_a_file_that_cannot_be_looked_at(tmp_path: Path) -> None:
    sound, damaged = tmp_path / "state.db", tmp_path / "damaged.db"
    with opened(sound):
        pass
    damaged.write_bytes(sound.read_bytes()[:8192] + b"\xff" * 4096)
    assert check_integrity(sound) is None
    assert check_integrity(damaged)
    for missing in (tmp_path / "nowhere.db", tmp_path / "no" / "folder.db"):
        with pytest.raises((NeedsPerson, TryAgain)):
            check_integrity(missing)
