"""The folder itself: which one it is, and its file of rules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boardsync.errors import FolderAway, SettingsError, TryAgain
from boardsync.local.root import open_root, read_ignore_file
from places import unprivileged


def test_a_folder_keeps_its_identity_under_another_name(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    before = open_root(os.fsencode(folder))
    folder.rename(tmp_path / "renamed")
    folder.mkdir()
    assert open_root(os.fsencode(tmp_path / "renamed")) == before
    assert open_root(os.fsencode(folder)) != before


def test_a_symlink_to_a_folder_is_that_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert open_root(os.fsencode(tmp_path / "link")) == open_root(os.fsencode(tmp_path / "real"))


def test_a_missing_folder_is_away_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FolderAway, match="pictures: missing; mount its disk or make") as raised:
        open_root(os.fsencode(tmp_path / "pictures"))
    assert isinstance(raised.value, TryAgain)


def test_a_file_in_the_place_of_the_folder_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_bytes(b"")
    with pytest.raises(FolderAway, match="not a directory"):
        open_root(os.fsencode(tmp_path / "pictures"))
    with pytest.raises(FolderAway, match="cannot be listed"):
        open_root(os.fsencode(tmp_path / "pictures/below"))


def test_a_folder_that_may_not_be_listed_is_away(shared: Path) -> None:
    (shared / "pictures").mkdir(mode=0o311)
    with unprivileged(), pytest.raises(FolderAway, match="let boardsync's user read it"):
        open_root(os.fsencode(shared / "pictures"))


def test_a_folder_without_a_file_of_rules_has_none(tmp_path: Path) -> None:
    assert read_ignore_file(os.fsencode(tmp_path)) == b""


def test_a_file_of_rules_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".boardsyncignore").write_bytes(b"drafts/\r\n\xff\n")
    assert read_ignore_file(os.fsencode(tmp_path)) == b"drafts/\r\n\xff\n"


def test_a_file_of_rules_that_cannot_be_read_stops_the_mirror(shared: Path) -> None:
    (shared / ".boardsyncignore").touch(mode=0o600)
    (shared / ".boardsyncignore").chmod(0)
    with unprivileged(), pytest.raises(SettingsError, match="permission denied"):
        read_ignore_file(os.fsencode(shared))


def test_a_directory_in_its_place_stops_the_mirror(tmp_path: Path) -> None:
    (tmp_path / ".boardsyncignore").mkdir()
    with pytest.raises(SettingsError, match="is a directory"):
        read_ignore_file(os.fsencode(tmp_path))


def test_a_fifo_in_its_place_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".boardsyncignore")
    with pytest.raises(SettingsError, match="not a regular file"):
        read_ignore_file(os.fsencode(tmp_path))


def test_an_endless_file_of_rules_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".boardsyncignore").write_bytes(b"x" * (1 << 20) + b"\n")
    with pytest.raises(SettingsError, match="longer than 1 MiB"):
        read_ignore_file(os.fsencode(tmp_path))
