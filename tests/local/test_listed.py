"""Where a filesystem ignores case, a name is the one that a directory lists."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from boardsync.local.ignore import Rules
from boardsync.local.listed import Listed
from boardsync.local.scan import Found, Gone, ScanReport, scan_paths
from sim.disk import SimDisk


@pytest.fixture
def disk() -> SimDisk:
    """A disk in memory that takes names for one that differ only in case."""
    made = SimDisk(lambda: 1, random.Random(1), folded=True)
    made.put(b"/folder/One/A.png", b"picture")
    return made


@pytest.mark.parametrize(
    ("path", "listed"),
    [
        (b"One/A.png", True), (b"One/a.PNG", False), (b"one/A.png", False), (b"One/b.png", False),
        (b"One", True), (b"ONE", False),
    ],
)  # fmt: skip
def test_a_path_is_listed_only_as_it_is_spelled(disk: SimDisk, path: bytes, listed: bool) -> None:
    assert Listed(b"/folder", disk).holds(path) is listed


def test_another_spelling_gives_the_listed_name(disk: SimDisk) -> None:
    assert Listed(b"/folder", disk).path(b"one/a.png") == b"One/A.png"
    assert Listed(b"/folder", disk).path(b"ONE/gone.png") == b"One/gone.png"


def test_each_directory_is_listed_once_however_many_paths_are_looked_at(
    disk: SimDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        disk.put(b"/folder/One/%d.png" % number, b"picture")
    listings: list[bytes] = []
    scandir = disk.scandir
    monkeypatch.setattr(disk, "scandir", lambda path: listings.append(path) or scandir(path))
    listed = Listed(b"/folder", disk)

    for number in range(50):
        listed.path(b"one/%d.png" % number)

    assert listings == [b"/folder", b"/folder/One"]


def test_a_hint_under_another_spelling_finds_the_file_under_its_own(disk: SimDisk) -> None:
    found = list(scan_paths(b"/folder", Rules(), [b"one/a.PNG"], ScanReport(), disk))

    assert [one.path for one in found if isinstance(one, Found)] == [b"One/A.png"]
    assert [one.path for one in found if isinstance(one, Gone)] == [b"one/a.PNG"]


def test_two_files_that_differ_in_case_keep_their_names_where_both_can_be(tmp_path: Path) -> None:
    for name in ("a.png", "A.PNG"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "linked.png").hardlink_to(tmp_path / "a.png")
    listed = Listed(bytes(tmp_path))

    assert all(listed.holds(one) for one in (b"a.png", b"A.PNG", b"linked.png"))
    assert not listed.holds(b"A.png")
