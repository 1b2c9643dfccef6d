"""The index is nobody's treasure: damaged, old or new, it is made anew. Others' files are kept."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from boardsync.errors import NeedsPerson, NoRoom, TryAgain
from boardsync.index.database import Index, OfAnotherVersion, using
from boardsync.index.schema import VERSION
from boardsync.index.standing import contents_of, fault_of
from index.index_kit import Indexed
from places import unprivileged


@pytest.fixture
def indexed(tmp_path: Path) -> Indexed:
    indexed = Indexed(tmp_path)
    for number in range(5):
        indexed.picture(f"{number}.png", f"a cat {number}", number)
    indexed.refresh()
    return indexed


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def remade(indexed: Indexed) -> bool:
    """Tell whether a search works and finds nothing, and another refresh brings all back."""
    assert indexed.names("cat") == []
    return indexed.refresh().read.read == 5 and len(indexed.names("cat")) == 5


@pytest.mark.parametrize(
    "spoil",
    [
        "PRAGMA user_version=0", "PRAGMA user_version=99", "DROP TABLE file",
        "DROP TRIGGER telling_gone", "DROP TABLE telling", "DELETE FROM fact", "DROP TABLE word",
        "DROP INDEX file_newest",
    ],
)  # fmt: skip
def test_another_version_or_a_missing_part_is_made_anew(indexed: Indexed, spoil: str) -> None:
    execute(indexed.path, spoil)
    assert remade(indexed)


def test_one_of_another_version_is_no_damage(indexed: Indexed) -> None:
    execute(indexed.path, "PRAGMA user_version=1")
    assert fault_of(indexed.path) is None
    with pytest.raises(OfAnotherVersion, match="of version 1"):
        contents_of(indexed.path)
    execute(indexed.path, "DROP TABLE word")
    execute(indexed.path, f"PRAGMA user_version={VERSION}")
    assert fault_of(indexed.path) == "word is missing"


def test_who_only_looks_changes_nothing_and_makes_nothing(indexed: Indexed) -> None:
    execute(indexed.path, "UPDATE fact SET value = 0 WHERE name = 'reader'")
    with closing(sqlite3.connect(indexed.path)) as connection:
        before = list(connection.iterdump())
        [told] = contents_of(indexed.path) or ()
        assert told.pictures == 5
        assert fault_of(indexed.path) is None
        assert list(connection.iterdump()) == before
    nowhere = indexed.path.parent / "none" / "index.db"
    assert contents_of(nowhere) is None
    assert not nowhere.parent.exists()


def test_a_path_that_is_no_text_is_found_by_what_stands_in_it(indexed: Indexed) -> None:
    # What follows the last letter makes another letter of it, for who reads it as text.
    indexed.picture(b"ab\xc3\xa9\x80.png", "a dog")
    indexed.refresh()
    for asked in (b"ab\xc3\xa9\x80", b"b\xc3\xa9\x80.p", b".png"):
        assert "ab\xe9\udc80.png" in indexed.names(f'path:"{os.fsdecode(asked)}"'), asked


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_damage_anywhere_is_never_an_error(indexed: Indexed, share: float) -> None:
    content = bytearray(indexed.path.read_bytes())
    start = int(len(content) * share)
    length = len(content[start : start + 8000])
    content[start : start + length] = random.Random(share).randbytes(length)
    indexed.path.write_bytes(content)
    indexed.names("cat")
    (indexed.folder / "0.png").unlink()
    indexed.picture("1.png", "a dog")
    indexed.refresh()
    for query in ("cat", "dog", "seed:2..3", "-cat"):
        indexed.names(query)


@pytest.mark.parametrize("length", [0, 1, 99, 100, 4096, 5000, 20_000])
def test_one_that_was_cut_is_made_anew(indexed: Indexed, length: int) -> None:
    os.truncate(indexed.path, length)
    indexed.names("cat")
    indexed.refresh()
    assert len(indexed.names("cat")) == 5


def test_what_is_no_database_is_kept_beside(indexed: Indexed) -> None:
    indexed.path.write_bytes(b"my only copy of a poem")
    assert remade(indexed)
    [kept] = indexed.path.parent.glob("index.db.set-aside-*")
    assert kept.read_bytes() == b"my only copy of a poem"


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    execute(path, "CREATE TABLE precious (x)")
    before = path.read_bytes()
    with pytest.raises(NeedsPerson, match="a database, but no index of boardsync"):
        using(path, lambda index: index.ask("SELECT 1"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["directory", "fifo", "link"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "index.db"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NeedsPerson, match=r"index\.db: no regular file; the setting `index`"):
        using(path, lambda index: index.ask("SELECT 1"))


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TryAgain, match="cannot be kept there"):
        using(tmp_path / "file" / "index.db", lambda index: index.ask("SELECT 1"))


def test_it_is_its_owners_alone(indexed: Indexed) -> None:
    assert stat.S_IMODE(indexed.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(indexed.path.parent.stat().st_mode) == 0o700


def test_a_damaged_one_that_others_use_waits_for_them(
    indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boardsync.index.database._LOCK_SECONDS", 0.1)

    def meanwhile(_: Index) -> None:
        execute(indexed.path, "PRAGMA user_version=7")
        with pytest.raises(TryAgain, match="others use the index"):
            indexed.names("cat")

    indexed.using(meanwhile)
    assert remade(indexed)


def test_a_kill_in_the_middle_loses_nothing_that_matters(indexed: Indexed) -> None:
    """What was committed is there; what was not is done again."""
    for number in range(300):
        indexed.picture(f"more {number}.png", f"a dog {number}")
    script = (
        "import os, sys; from pathlib import Path\n"
        "from boardsync.index import refresh; from boardsync.index.records import Place\n"
        "from boardsync.local.ignore import Rules\n"
        "def tell(count):\n    if count >= 100: os.kill(os.getpid(), 9)\n"
        "refresh._MOST, refresh._SECONDS = 50, 1e9\n"
        "refresh.refresh(Path(sys.argv[1]), Place(os.fsencode(sys.argv[2])),"
        " Rules(pull_into=None), tell=tell)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, indexed.path, indexed.folder])
    assert killed.returncode == -9
    assert (len(indexed.names("dog")), indexed.standing().unread) == (100, 200)
    assert indexed.refresh().read.read == 200
    assert len(indexed.names("dog")) == 300


def test_a_full_disk_is_no_room(indexed: Indexed) -> None:
    def fill(index: Index) -> None:
        index.ask("PRAGMA max_page_count=1")
        with index.writing():
            for number in range(1000):
                index.tell("INSERT INTO fact VALUES (?, 1)", (str(number) * 100,))

    with pytest.raises(NoRoom, match="there is no room for the index"):
        indexed.using(fill)
    assert len(indexed.names("cat")) == 5


def test_a_folder_of_the_index_that_may_not_be_entered(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    with unprivileged(), pytest.raises(TryAgain, match="cannot be kept there"):
        using(tmp_path / "cache" / "index.db", lambda index: index.ask("SELECT 1"))
