"""The watcher's hints, on the real kernel: what happens in the folder is hinted at."""

from __future__ import annotations

import os
from pathlib import Path

from boardsync.local.ignore import Rules
from local.inbox import Inbox, Make


def test_a_written_file_is_hinted_at_as_closed(root: Path, inbox: Inbox, make: Make) -> None:
    make(root)
    (root / "a.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"a.png")


def test_a_file_that_is_still_open_is_not_closed(root: Path, inbox: Inbox, make: Make) -> None:
    make(root)
    with open(root / "slow.png", "wb") as stream:
        stream.write(b"half")
        stream.flush()
        inbox.wait_for_path(b"slow.png")
        assert b"slow.png" not in inbox.closed
    inbox.wait_for_closed(b"slow.png")


def test_reading_a_file_gives_no_hint(root: Path, inbox: Inbox, make: Make) -> None:
    (root / "old.png").write_bytes(b"picture")
    make(root)
    (root / "old.png").read_bytes()
    (root / "new.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"new.png")
    assert b"old.png" not in inbox.paths


def test_a_rename_gives_a_hint_for_both_ends(root: Path, inbox: Inbox, make: Make) -> None:
    (root / "a.png").write_bytes(b"picture")
    make(root)
    (root / "a.png").rename(root / "b.png")
    inbox.wait_for_closed(b"b.png")
    inbox.wait_for_path(b"a.png")


def test_a_file_renamed_in_under_its_final_name_counts_as_closed(
    root: Path, tmp_path: Path, inbox: Inbox, make: Make
) -> None:
    (tmp_path / "elsewhere.png").write_bytes(b"picture")
    (root / "done.png.part").write_bytes(b"picture")
    make(root)
    (tmp_path / "elsewhere.png").rename(root / "outside.png")
    (root / "done.png.part").rename(root / "done.png")
    inbox.wait_for_closed(b"outside.png")
    inbox.wait_for_closed(b"done.png")
    assert b"done.png.part" not in inbox.paths


def test_a_deleted_file_and_one_moved_out_are_hinted_at(
    root: Path, tmp_path: Path, inbox: Inbox, make: Make
) -> None:
    for name in ("deleted.png", "moved.png"):
        (root / name).write_bytes(b"picture")
    make(root)
    (root / "deleted.png").unlink()
    (root / "moved.png").rename(tmp_path / "moved.png")
    inbox.wait_for_path(b"deleted.png")
    inbox.wait_for_path(b"moved.png")


def test_a_file_deep_in_new_directories_is_under_a_hint(
    root: Path, inbox: Inbox, make: Make
) -> None:
    make(root)
    (root / "x/y/z").mkdir(parents=True)
    (root / "x/y/z/deep.png").write_bytes(b"picture")
    inbox.wait_for_path(b"x/y/z/deep.png")
    assert b"x" in inbox.paths
    (root / "x/y/z/later.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"x/y/z/later.png")


def test_a_directory_that_is_moved_in_is_one_hint_and_watched(
    root: Path, tmp_path: Path, inbox: Inbox, make: Make
) -> None:
    (tmp_path / "set/deeper").mkdir(parents=True)
    for number in range(20):
        (tmp_path / f"set/{number}.png").write_bytes(b"picture")
    make(root)
    (tmp_path / "set").rename(root / "set")
    inbox.wait_for_path(b"set")
    (root / "set/deeper/new.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"set/deeper/new.png")
    assert inbox.paths == {b"set", b"set/deeper/new.png"}


def test_a_renamed_directory_is_a_hint_for_both_ends(root: Path, inbox: Inbox, make: Make) -> None:
    (root / "old/deeper").mkdir(parents=True)
    (root / "old/a.png").write_bytes(b"picture")
    make(root)
    (root / "old").rename(root / "new")
    inbox.wait_for_path(b"new")
    (root / "new/deeper/b.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"new/deeper/b.png")
    assert inbox.paths == {b"old", b"new", b"new/deeper/b.png"}


def test_what_the_rules_leave_alone_gives_no_hint(root: Path, inbox: Inbox, make: Make) -> None:
    (root / ".cache").mkdir()
    (root / "@eaDir/a.png").mkdir(parents=True)
    make(root, rules=Rules(ignore=["drafts/"]))
    (root / ".cache/x.png").write_bytes(b"picture")
    (root / "@eaDir/a.png/thumb.jpg").write_bytes(b"picture")
    (root / "drafts").mkdir()
    (root / "drafts/x.png").write_bytes(b"picture")
    (root / "notes.txt").write_bytes(b"text")
    (root / ".boardsync-tmp-0011").write_bytes(b"half")
    (root / "outputs").mkdir()
    (root / "last.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"last.png")
    assert inbox.paths == {b"last.png"}


def test_a_directory_that_loses_its_ignored_name_is_watched(
    root: Path, inbox: Inbox, make: Make
) -> None:
    (root / ".staging/deeper").mkdir(parents=True)
    make(root)
    (root / ".staging").rename(root / "set")
    inbox.wait_for_path(b"set")
    (root / "set/deeper/a.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"set/deeper/a.png")


def test_changed_rules_ask_for_a_rescan(root: Path, inbox: Inbox, make: Make) -> None:
    make(root)
    (root / ".boardsyncignore").write_text("drafts/\n")
    inbox.wait_for_rescan()
    assert inbox.reasons[0] == "the rules in .boardsyncignore changed"


def test_names_that_are_not_text_come_as_they_are(root: Path, inbox: Inbox, make: Make) -> None:
    make(root)
    name = b"\xff\n\xfe.png"
    with open(os.path.join(os.fsencode(root), name), "wb") as stream:
        stream.write(b"picture")
    inbox.wait_for_closed(name)


def test_a_folder_given_as_a_symlink_is_watched(
    root: Path, tmp_path: Path, inbox: Inbox, make: Make
) -> None:
    (tmp_path / "link").symlink_to(root)
    make(tmp_path / "link")
    (root / "a.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"a.png")
