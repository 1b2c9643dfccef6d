"""The scan, on real folders: everything that is there, in order, and honest about the rest."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardsync.errors import FolderAway
from boardsync.files.snapshot import stat_of
from boardsync.local.ignore import Reason, Rules
from boardsync.local.scan import Found, RootIdentity, ScanReport, directories, scan
from places import fill, in_namespace, unprivileged


def look(root: Path, rules: Rules | None = None) -> tuple[list[bytes], ScanReport]:
    report = ScanReport()
    found = [each.path for each in scan(os.fsencode(root), rules or Rules(), report)]
    return found, report


def test_files_come_in_byte_order_of_their_paths(tmp_path: Path) -> None:
    fill(tmp_path, "a/x.png", "a-b.png", "a.png", "a0.png", "a/b/c.png", "B.png", "a b/z.png")
    found, report = look(tmp_path)
    assert found == [
        b"B.png", b"a b/z.png", b"a-b.png", b"a.png", b"a/b/c.png", b"a/x.png", b"a0.png",
    ]  # fmt: skip
    assert report.files == 7
    assert report.directories == 4


components = st.binary(min_size=1, max_size=6).map(
    lambda raw: b"n" + raw.replace(b"/", b"-").replace(b"\0", b"-")
)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.lists(components, min_size=1, max_size=4).map(b"/".join), max_size=12))
def test_any_tree_is_found_whole_and_in_order(paths: set[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        # A name serves as a file or as a directory, hence the endings.
        wanted = sorted(path.replace(b"/", b"_d/") + b".png" for path in paths)
        fill(Path(name), *wanted)
        found, report = look(Path(name))
    assert found == wanted
    assert report.complete


def test_a_found_file_comes_with_what_stat_says(tmp_path: Path) -> None:
    fill(tmp_path, "set/a.png")
    report = ScanReport()
    assert list(scan(os.fsencode(tmp_path), Rules(), report)) == [
        Found(b"set/a.png", stat_of((tmp_path / "set/a.png").stat()))
    ]


def test_hostile_names_are_found(tmp_path: Path) -> None:
    names = [b"\xff\xfe.png", b"line\nbreak.png", b"x" * 251 + b".png", b"dir\n\xff/in.png",
             b"-rf.png", b" .png", b"\x01.png"]  # fmt: skip
    fill(tmp_path, *names)
    found, report = look(tmp_path)
    assert found == sorted(names)
    assert report.complete


def test_what_is_left_alone_is_counted_by_reason_and_not_entered(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.txt", "c.part", ".git/x.png", ".git/y.png", "drafts/z.png",
         "outputs/o.png")  # fmt: skip
    found, report = look(tmp_path, Rules(ignore=["drafts/"]))
    assert found == [b"a.png"]
    assert report.ignored == {
        Reason.NOT_A_PICTURE: 1,
        Reason.TEMPORARY: 1,
        Reason.HIDDEN: 1,
        Reason.RULE: 1,
        Reason.PULLED: 1,
    }
    assert report.complete
    assert not report.unproven(b"drafts/z.png")


def test_an_empty_folder_is_a_complete_answer(tmp_path: Path) -> None:
    found, report = look(tmp_path)
    assert (found, report.files, report.complete) == ([], 0, True)
    assert not report.unproven(b"a.png")
    assert report.root == RootIdentity(tmp_path.stat().st_dev, tmp_path.stat().st_ino)


def test_a_missing_folder_is_away_and_not_empty(tmp_path: Path) -> None:
    with pytest.raises(FolderAway, match="missing"):
        look(tmp_path / "unmounted")


def test_symlinks_are_told_and_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, "elsewhere/a.png", "root/b.png")
    root = tmp_path / "root"
    (root / "file.png").symlink_to(tmp_path / "elsewhere/a.png")
    (root / "dir").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "dangling.png").symlink_to("nowhere")
    (root / ".hidden").symlink_to(root)
    found, report = look(root)
    assert found == [b"b.png"]
    assert set(report.symlinks) == {b"file.png", b"dir", b"loop", b"dangling.png"}
    assert report.ignored == {Reason.SYMLINK: 4, Reason.HIDDEN: 1}
    assert report.complete


def test_what_a_symlink_took_the_place_of_is_not_proven_gone(tmp_path: Path) -> None:
    fill(tmp_path, "other-disk/a.png", "root/b.png")
    (tmp_path / "root/set").symlink_to(tmp_path / "other-disk")
    report = look(tmp_path / "root")[1]
    assert report.unproven(b"set/a.png")
    assert report.unproven(b"set")
    assert not report.unproven(b"settle.png")
    assert not report.unproven(b"b2.png")


def test_special_files_are_counted_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.png"))
        found, report = look(tmp_path)
    assert found == []
    assert report.ignored == {Reason.SPECIAL: 2}


def test_below_an_unreadable_directory_nothing_is_proven(shared: Path) -> None:
    fill(shared, "open/a.png", "shut/b.png", "shut/deep/c.png", "shutter/d.png")
    (shared / "shut").chmod(0)
    with unprivileged():
        found, report = look(shared)
    (shared / "shut").chmod(0o755)
    assert found == [b"open/a.png", b"shutter/d.png"]
    assert report.finished
    assert not report.complete
    assert report.unreadable == [(b"shut", "permission denied")]
    assert report.unproven(b"shut")
    assert report.unproven(b"shut/b.png")
    assert report.unproven(b"shut/deep/c.png")
    assert not report.unproven(b"shutter/e.png")
    assert not report.unproven(b"open/gone.png")


def test_files_that_can_be_listed_but_not_looked_at_are_not_proven_gone(shared: Path) -> None:
    fill(shared, "half/a.png")
    (shared / "half").chmod(0o444)
    with unprivileged():
        found, report = look(shared)
    (shared / "half").chmod(0o755)
    assert found == []
    assert report.unproven(b"half/a.png")
    assert not report.complete


def test_a_folder_that_may_not_be_listed_is_away(shared: Path) -> None:
    (shared / "root").mkdir(mode=0)
    with unprivileged(), pytest.raises(FolderAway, match="permission denied"):
        look(shared / "root")


def test_a_directory_that_vanishes_midway_is_not_proven_gone(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/2.png", "c/3.png")
    report = ScanReport()
    files = scan(os.fsencode(tmp_path), Rules(), report)
    assert next(files).path == b"a/1.png"
    shutil.rmtree(tmp_path / "b")
    assert [each.path for each in files] == [b"c/3.png"]
    assert report.unproven(b"b/2.png")
    assert not report.unproven(b"a/0.png")


def test_a_file_that_vanishes_midway_is_not_proven_gone(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png", "3.png")
    report = ScanReport()
    files = scan(os.fsencode(tmp_path), Rules(), report)
    next(files)
    (tmp_path / "2.png").unlink()
    assert [each.path for each in files] == [b"3.png"]
    assert report.unproven(b"2.png")


def test_a_directory_swapped_for_a_symlink_midway_is_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, "secret/s.png", "root/a.png", "root/b/2.png")
    root = tmp_path / "root"
    report = ScanReport()
    files = scan(os.fsencode(root), Rules(), report)
    next(files)
    shutil.rmtree(root / "b")
    (root / "b").symlink_to(tmp_path / "secret")
    assert list(files) == []
    assert report.symlinks == [b"b"]


def test_a_file_swapped_for_a_symlink_midway_is_not_found(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.png")
    report = ScanReport()
    files = scan(os.fsencode(tmp_path), Rules(), report)
    next(files)
    (tmp_path / "b.png").unlink()
    (tmp_path / "b.png").symlink_to("a.png")
    assert list(files) == []
    assert report.unproven(b"b.png")


def test_nothing_is_proven_while_the_scan_goes_on(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.png")
    report = ScanReport()
    files = scan(os.fsencode(tmp_path), Rules(), report)
    next(files)
    assert report.unproven(b"z.png")
    assert not report.complete
    list(files)
    assert not report.unproven(b"z.png")
    assert report.complete


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_folder_swapped_during_the_scan_proves_nothing(tmp_path: Path, comes_back: bool) -> None:
    root = tmp_path / "root"
    fill(root, "a.png", "b.png")
    report = ScanReport()
    files = scan(os.fsencode(root), Rules(), report)
    next(files)
    root.rename(tmp_path / "aside")
    if comes_back:
        root.mkdir()
    assert list(files) == []
    assert report.unproven(b"b.png")
    assert report.unproven(b"never/seen.png")
    assert not report.complete


def test_depth_costs_no_recursion(tmp_path: Path) -> None:
    deep = os.fsencode(tmp_path)
    for _ in range(1100):
        deep += b"/d"
        os.mkdir(deep)
    fill(tmp_path, deep + b"/a.png")
    try:
        found, report = look(tmp_path)
    finally:
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # shutil.rmtree recurses
    assert found == [b"d/" * 1100 + b"a.png"]
    assert report.directories == 1101


def test_a_path_too_long_to_be_reached_is_unproven(tmp_path: Path) -> None:
    start = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(20):
            os.mkdir("d" * 250)
            os.chdir("d" * 250)
    finally:
        os.chdir(start)
    found, report = look(tmp_path)
    assert found == []
    assert not report.complete
    assert report.unproven(b"/".join([b"d" * 250] * 20) + b"/a.png")


def test_a_scan_holds_no_tree(tmp_path: Path) -> None:
    for number in range(20):
        fill(tmp_path, *(f"{number}/{'n' * 100}{each}.png" for each in range(100)))
    tracemalloc.start()
    try:
        count = sum(1 for _ in scan(os.fsencode(tmp_path), Rules(), ScanReport()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 2000
    assert peak < 100_000


def test_a_report_of_countless_unreadable_paths_stays_bounded_and_safe() -> None:
    report = ScanReport(finished=True)
    for number in range(100_100):
        report.unseen(b"d%d" % number, "permission denied")
    assert len(report.unreadable) == 1000
    assert report.unproven(b"d5/a.png")
    assert report.unproven(b"anything")


MOUNTED = """
import os, subprocess, sys
from boardsync.local.ignore import Rules
from boardsync.local.scan import ScanReport, scan
root = os.fsencode(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "none", root + b"/disk"], check=True)
os.makedirs(root + b"/disk/deep")
open(root + b"/disk/deep/a.png", "wb").close()
report = ScanReport()
assert [each.path for each in scan(root, Rules(), report)] == [b"disk/deep/a.png"]
assert report.mounts == [b"disk"], report.mounts
subprocess.run(["umount", root + b"/disk"], check=True)
report = ScanReport()
assert list(scan(root, Rules(), report)) == []
assert report.mounts == [] and report.complete
"""


def test_a_disk_mounted_inside_is_entered_and_named(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    in_namespace(MOUNTED, str(tmp_path), mounts=True)


def by_directory(root: Path, report: ScanReport) -> list[tuple[bytes, list[bytes]]]:
    return list(directories(os.fsencode(root), Rules(), report, recursive=True))


def test_directories_come_before_what_is_in_them_with_their_own_pictures(tmp_path: Path) -> None:
    fill(
        tmp_path, "b.png", "a/2.png", "a/1.png", "a/x.txt", "a/deep/3.png", ".hidden/4.png", "c.png"
    )
    report = ScanReport()
    assert by_directory(tmp_path, report) == [
        (b"", [b"b.png", b"c.png"]), (b"a", [b"1.png", b"2.png"]), (b"a/deep", [b"3.png"]),
    ]  # fmt: skip
    assert report.directories == 3
    alone = directories(os.fsencode(tmp_path), Rules(), report, recursive=False)
    assert list(alone) == [(b"", [b"b.png", b"c.png"])]


def test_of_directories_too_one_swapped_for_a_symlink_midway_is_not_followed(
    tmp_path: Path,
) -> None:
    fill(tmp_path, "in/a/1.png", "in/b/2.png", "out/secret.png")
    report = ScanReport()
    found = directories(os.fsencode(tmp_path / "in"), Rules(), report, recursive=True)
    assert next(found) == (b"", [])
    shutil.rmtree(tmp_path / "in" / "b")
    (tmp_path / "in" / "b").symlink_to(tmp_path / "out")
    assert list(found) == [(b"a", [b"1.png"]), (b"b", [])]
    assert report.symlinks == [b"b"]
