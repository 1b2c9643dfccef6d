"""The scan of some paths: found, gone, or honestly neither."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boardsync.errors import Bug, FolderAway
from boardsync.local.ignore import Rules
from boardsync.local.scan import Found, Gone, ScanReport, scan_paths
from places import fill, unprivileged


def look_at(root: Path, *paths: bytes) -> tuple[set[bytes], set[bytes], ScanReport]:
    report = ScanReport()
    found, gone = [], []
    for each in scan_paths(os.fsencode(root), Rules(), paths, report):
        (gone if isinstance(each, Gone) else found).append(each.path)
    assert len(set(found)) == len(found)
    return set(found), set(gone), report


def test_a_path_is_found_or_gone(tmp_path: Path) -> None:
    fill(tmp_path, "set/a.png", "b.png")
    found, gone, report = look_at(tmp_path, b"set/a.png", b"set/gone.png", b"no/such/dir.png")
    assert found == {b"set/a.png"}
    assert gone == {b"set/gone.png", b"no/such/dir.png"}
    assert report.complete
    assert report.walked == []


def test_a_directory_is_looked_through_to_the_bottom(tmp_path: Path) -> None:
    fill(tmp_path, "set/a.png", "set/deep/b.png", "set/.x/c.png", "other.png")
    found, gone, report = look_at(tmp_path, b"set")
    assert found == {b"set/a.png", b"set/deep/b.png"}
    assert gone == set()
    assert report.walked == [b"set"]


def test_a_path_is_looked_at_once_however_often_it_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "set/a.png", "set-b.png", "set/deep/c.png")
    found, _, report = look_at(
        tmp_path, b"set/deep/c.png", b"set", b"set/a.png", b"set-b.png", b"set/deep", b"set"
    )
    assert found == {b"set/a.png", b"set/deep/c.png", b"set-b.png"}
    assert report.files == 3
    assert report.walked == [b"set"]


def test_the_folder_itself_can_be_named(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "set/b.png")
    found, _, report = look_at(tmp_path, b"", b"a.png")
    assert found == {b"a.png", b"set/b.png"}
    assert report.walked == [b""]


def test_what_is_left_alone_is_neither_found_nor_gone(tmp_path: Path) -> None:
    fill(tmp_path, "notes.txt", ".git/a.png", "a.png.part")
    found, gone, report = look_at(tmp_path, b"notes.txt", b".git/a.png", b".git", b"a.png.part")
    assert (found, gone) == (set(), set())
    assert sum(report.ignored.values()) == 4


def test_below_a_file_everything_is_gone(tmp_path: Path) -> None:
    fill(tmp_path, "set.png")
    assert look_at(tmp_path, b"set.png/a.png", b"set.png/b/c.png")[1] == {
        b"set.png/a.png",
        b"set.png/b/c.png",
    }


def test_a_fifo_in_the_place_of_a_file_means_the_file_is_gone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert look_at(tmp_path, b"a.png")[1] == {b"a.png"}


def test_a_path_through_a_symlink_is_neither_found_nor_gone(tmp_path: Path) -> None:
    fill(tmp_path, "elsewhere/a.png", "root/b.png")
    (tmp_path / "root/set").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/b2.png").symlink_to("b.png")
    found, gone, report = look_at(tmp_path / "root", b"set/a.png", b"set", b"b2.png", b"b.png")
    assert found == {b"b.png"}
    assert gone == set()
    assert set(report.symlinks) == {b"set", b"b2.png"}


def test_a_path_in_an_unreadable_directory_is_neither_found_nor_gone(shared: Path) -> None:
    fill(shared, "shut/a.png", "b.png")
    (shared / "shut").chmod(0)
    with unprivileged():
        found, gone, report = look_at(shared, b"shut/a.png", b"shut/deep/b.png", b"b.png")
    (shared / "shut").chmod(0o755)
    assert found == {b"b.png"}
    assert gone == set()
    assert report.unproven(b"shut/a.png")


def test_nothing_is_gone_from_a_folder_that_was_swapped_meanwhile(tmp_path: Path) -> None:
    root = tmp_path / "root"
    fill(root, "a.png")
    report = ScanReport()
    looks = scan_paths(os.fsencode(root), Rules(), [b"a.png", b"gone.png"], report)
    assert isinstance(next(looks), Found)
    root.rename(tmp_path / "aside")
    root.mkdir()
    assert list(looks) == []
    assert report.unproven(b"gone.png")


@pytest.mark.parametrize("path", [b"../a.png", b"/etc/passwd", b"a//b.png", b"./a.png", b"a\0b"])
def test_a_path_that_leads_elsewhere_is_a_bug(tmp_path: Path, path: bytes) -> None:
    with pytest.raises(Bug, match="relative"):
        look_at(tmp_path, path)


def test_a_thousand_hints_below_one_directory_walk_it_once(tmp_path: Path) -> None:
    fill(tmp_path, *(f"set/{number}.png" for number in range(1000)))
    hints = [b"set/%d.png" % number for number in range(1000)]
    found, _, report = look_at(tmp_path, b"set", *hints)
    assert len(found) == 1000
    assert report.directories == 1


def test_from_a_missing_folder_nothing_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FolderAway, match="missing"):
        look_at(tmp_path / "unmounted", b"a.png")
