"""The local trash: files go there by a rename and come back, and nothing is ever replaced."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, cast

import pytest

from boardsync.errors import FileChanging, FolderAway
from boardsync.files.disk import SYSTEM, Disk
from boardsync.local.trash import LocalTrash, open_trash

DAY = "2026-01-31"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    (made / "s").mkdir(parents=True)
    (made / "s" / "a.png").write_bytes(b"one")
    return made


@pytest.fixture
def trash(folder: Path) -> LocalTrash:
    return open_trash(os.fsencode(folder), None, "m")


def files_below(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_it_lies_beside_the_folder_and_is_made_only_when_needed(
    folder: Path, trash: LocalTrash
) -> None:
    assert trash.root == os.fsencode(folder.parent / ".boardsync-trash" / "m")
    trash.place_for(b"s/a.png", DAY)
    assert not os.path.lexists(trash.root)


def test_it_hides_inside_a_folder_whose_parent_is_another_filesystem(tmp_path: Path) -> None:
    if os.stat("/dev/shm").st_dev == os.stat("/dev").st_dev:
        pytest.skip("one filesystem here")
    assert open_trash(b"/dev/shm", None, "m").root == b"/dev/shm/.boardsync-trash/m"


def test_the_settings_may_name_another_place(folder: Path, tmp_path: Path) -> None:
    made = open_trash(os.fsencode(folder), os.fsencode(tmp_path / "bin"), "a/b")
    assert made.root == os.fsencode(tmp_path / "bin" / "a_b")


def test_a_file_goes_there_under_the_day_and_its_own_path_and_comes_back(
    folder: Path, trash: LocalTrash
) -> None:
    place = trash.place_for(b"s/a.png", DAY)
    trash.put(b"s/a.png", digest(b"one"), place)
    assert place == os.path.join(trash.root, b"2026-01-31/s/a.png")
    assert files_below(folder) == {}

    assert trash.take_out(place, digest(b"one"), b"s/a.png") == b"s/a.png"
    assert files_below(folder) == {"s/a.png": b"one"}
    assert files_below(folder.parent / ".boardsync-trash") == {}
    assert not (folder.parent / ".boardsync-trash" / "m" / DAY).exists()


def test_the_second_file_of_a_name_gets_a_place_of_its_own(folder: Path, trash: LocalTrash) -> None:
    first = trash.place_for(b"s/a.png", DAY)
    trash.put(b"s/a.png", digest(b"one"), first)
    (folder / "s" / "a.png").write_bytes(b"two")
    second = trash.place_for(b"s/a.png", DAY)
    trash.put(b"s/a.png", digest(b"two"), second)
    assert os.path.basename(second) == b"a (2).png"
    assert sorted(files_below(folder.parent / ".boardsync-trash").values()) == [b"one", b"two"]


def test_a_repeat_after_a_kill_changes_nothing(folder: Path, trash: LocalTrash) -> None:
    place = trash.place_for(b"s/a.png", DAY)
    trash.put(b"s/a.png", digest(b"one"), place)
    trash.put(b"s/a.png", digest(b"one"), place)
    assert trash.take_out(place, digest(b"one"), b"s/a.png") == b"s/a.png"
    assert trash.take_out(place, digest(b"one"), b"s/a.png") == b"s/a.png"
    assert files_below(folder) == {"s/a.png": b"one"}


def test_a_file_that_is_another_one_by_now_stays(folder: Path, trash: LocalTrash) -> None:
    place = trash.place_for(b"s/a.png", DAY)
    with pytest.raises(FileChanging):
        trash.put(b"s/a.png", digest(b"something else"), place)
    assert files_below(folder) == {"s/a.png": b"one"}


def test_what_comes_back_replaces_nothing(folder: Path, trash: LocalTrash) -> None:
    place = trash.place_for(b"s/a.png", DAY)
    trash.put(b"s/a.png", digest(b"one"), place)
    (folder / "s" / "a.png").write_bytes(b"new")
    assert trash.take_out(place, digest(b"one"), b"s/a.png") == b"s/a (2).png"
    assert files_below(folder) == {"s/a.png": b"new", "s/a (2).png": b"one"}


def test_a_trash_on_another_filesystem_is_refused_with_what_to_do(
    folder: Path, trash: LocalTrash
) -> None:
    if os.stat("/dev/shm").st_dev == os.stat(folder).st_dev:
        pytest.skip("one filesystem here")
    elsewhere = LocalTrash(trash.folder, b"/dev/shm/boardsync-test-trash-%d" % os.getpid())
    place = elsewhere.place_for(b"s/a.png", DAY)
    try:
        with pytest.raises(FolderAway, match=r"trash\.folder"):
            elsewhere.put(b"s/a.png", digest(b"one"), place)
    finally:
        os.removedirs(os.path.dirname(place))
    assert files_below(folder) == {"s/a.png": b"one"}


def test_only_what_lies_in_the_trash_as_it_was_put_there_is_deleted_for_good(
    folder: Path, trash: LocalTrash
) -> None:
    outside = os.fsencode(folder / "s" / "a.png")
    assert trash.purge(outside, digest(b"one")) is False
    place = trash.place_for(b"s/a.png", DAY)
    trash.put(b"s/a.png", digest(b"one"), place)
    assert trash.purge(place, digest(b"another")) is False
    assert trash.purge(place, digest(b"one")) is True
    assert not os.path.lexists(place)


class TidiedMeanwhile:
    """The machine's disk, on which a directory that a move empties is removed at once."""

    def __getattr__(self, name: str) -> Any:
        return getattr(SYSTEM, name)

    def rename_noreplace(self, source: bytes, target: bytes) -> bool:
        done = SYSTEM.rename_noreplace(source, target)
        os.rmdir(os.path.dirname(source))
        return done


def test_a_file_comes_back_although_another_empties_its_directory_in_the_trash(
    tmp_path: Path,
) -> None:
    folder, root = os.fsencode(tmp_path / "pictures"), os.fsencode(tmp_path / "trash")
    place = os.path.join(root, b"2026-01-31/sub/a.png")
    os.makedirs(folder)
    os.makedirs(os.path.dirname(place))
    Path(os.fsdecode(place)).write_bytes(b"content")
    trash = LocalTrash(folder, root, cast(Disk, TidiedMeanwhile()))

    assert trash.take_out(place, digest(b"content"), b"sub/a.png") == b"sub/a.png"

    assert (tmp_path / "pictures/sub/a.png").read_bytes() == b"content"


@pytest.mark.parametrize("name", [".boardsync-trash", ".boardsync-trash/m"])
def test_it_does_not_follow_a_symlink_that_somebody_put_there(
    folder: Path, trash: LocalTrash, tmp_path: Path, name: str
) -> None:
    elsewhere, link = tmp_path / "elsewhere", tmp_path / name
    elsewhere.mkdir()
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    place = trash.place_for(b"s/a.png", DAY)
    with pytest.raises(FolderAway, match="a symlink; remove it"):
        trash.put(b"s/a.png", digest(b"one"), place)
    assert files_below(folder) == {"s/a.png": b"one"}
    assert files_below(elsewhere) == {}


def test_the_settings_may_name_a_symlink(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    trash = open_trash(os.fsencode(folder), bytes(tmp_path / "link"), "m")
    trash.put(b"s/a.png", digest(b"one"), trash.place_for(b"s/a.png", DAY))
    assert files_below(tmp_path / "disk") == {f"m/{DAY}/s/a.png": b"one"}
