"""Sidecars on the disk: written whole, following pictures, and never over what is not ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boardsync.files.disk import SystemDisk
from boardsync.files.sidecars import Written, follow, read_sidecar, remove_sidecars, write_sidecar
from boardsync.plan.sidecars import NO_CHECKSUM, Kind, is_ours, sidecar_of, signed


def ours(text: str) -> bytes:
    return signed(f'{{"boardsync": {{"checksum": "{NO_CHECKSUM}"}}, "prompt": "{text}"}}\n')


def write(path: Path, content: bytes, disk: SystemDisk | None = None) -> Written:
    temporary = os.fsencode(path.parent / ".boardsync-tmp-x")
    return write_sidecar(os.fsencode(path), content, temporary, disk or SystemDisk())


def test_a_sidecar_is_named_after_its_whole_picture() -> None:
    assert sidecar_of(b"d/a.png", Kind.JSON) == b"d/a.png.json"
    assert sidecar_of(b"d/a.png", Kind.XMP) == b"d/a.png.xmp"


@pytest.mark.parametrize("at", [0, 5, 30, 70, -2])
def test_a_sidecar_that_was_touched_is_not_ours_any_more(at: int) -> None:
    content = ours("a red fox")
    assert is_ours(content)
    touched = bytearray(content)
    touched[at] ^= 1
    assert not is_ours(bytes(touched))
    assert not is_ours(content + b"\n")


def test_one_of_ours_is_replaced_and_the_same_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.png.json"
    assert write(path, ours("one")) is Written.WRITTEN
    before = path.stat()
    assert write(path, ours("one")) is Written.UNCHANGED
    assert path.stat() == before
    assert write(path, ours("two")) is Written.WRITTEN
    assert path.read_bytes() == ours("two")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "theirs", [b"{}", b"", ours("one").replace(b"one", b"mine"), "link", "folder", "pipe"]
)
def test_what_is_not_ours_stays_as_it_is(tmp_path: Path, theirs: bytes | str) -> None:
    path, elsewhere = tmp_path / "a.png.json", tmp_path / "elsewhere"
    elsewhere.write_bytes(ours("elsewhere"))
    if theirs == "link":
        path.symlink_to(elsewhere)
    elif theirs == "folder":
        path.mkdir()
    elif theirs == "pipe":
        os.mkfifo(path)
    else:
        assert isinstance(theirs, bytes)
        path.write_bytes(theirs)
    before = path.lstat()
    assert write(path, ours("two")) is Written.NOT_OURS
    follow(os.fsencode(tmp_path / "a.png"), os.fsencode(tmp_path / "b.png"))
    remove_sidecars(os.fsencode(tmp_path / "a.png"))
    assert path.lstat() == before
    assert elsewhere.read_bytes() == ours("elsewhere")
    assert len(list(tmp_path.iterdir())) == 2


class Meddled(SystemDisk):
    """A disk on which somebody writes to a file just before it is renamed."""

    def __init__(self, path: Path, content: bytes, before: int) -> None:
        self._path, self._content, self._before = path, content, before

    def rename_noreplace(self, source: bytes, target: bytes) -> bool:
        self._before -= 1
        if not self._before:
            self._path.write_bytes(self._content)
        return super().rename_noreplace(source, target)


@pytest.mark.parametrize("before", [1, 2])
def test_what_somebody_writes_at_the_last_moment_is_not_replaced(
    tmp_path: Path, before: int
) -> None:
    path = tmp_path / "a.png.json"
    write(path, ours("one"))
    disk = Meddled(path, b"mine, of this moment", before)
    assert write(path, ours("two"), disk) is Written.NOT_OURS
    assert path.read_bytes() == b"mine, of this moment"
    assert list(tmp_path.iterdir()) == [path]


def test_sidecars_follow_their_picture_and_replace_nothing(tmp_path: Path) -> None:
    for kind in Kind:
        (tmp_path / f"a.png.{kind}").write_bytes(ours(kind))
    (tmp_path / "b.png.xmp").write_bytes(b"mine")
    follow(os.fsencode(tmp_path / "a.png"), os.fsencode(tmp_path / "b.png"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "b.png.json": ours("json"), "a.png.xmp": ours("xmp"), "b.png.xmp": b"mine",
    }  # fmt: skip


def test_sidecars_go_with_a_picture_that_is_removed_for_good(tmp_path: Path) -> None:
    for kind in Kind:
        (tmp_path / f"a.png.{kind}").write_bytes(ours(kind))
    remove_sidecars(os.fsencode(tmp_path / "a.png"))
    assert list(tmp_path.iterdir()) == []
    assert read_sidecar(tmp_path / "a.png.json") is None
