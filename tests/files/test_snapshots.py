"""Reading a file once: what stood still is read whole, and everything else is told apart."""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from boardsync.errors import FileChanging, PictureRefused
from boardsync.files.snapshot import digest_file, read_snapshot, stat_of
from places import shared_folder, unprivileged

Read = Callable[[Path], object]

BIG = 48 << 20


def snapshot(path: Path) -> object:
    return read_snapshot(path, max_bytes=1 << 30)


readers = pytest.mark.parametrize("read", [snapshot, digest_file])


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Do something over and over in another thread, from before the block to its end."""
    begun, done = threading.Event(), threading.Event()

    def run() -> None:
        while not done.is_set():
            act()
            begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait(10)
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (2 << 20) + 7])
def test_a_file_that_stands_still_is_read_whole(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    path = tmp_path / "a.png"
    path.write_bytes(content)
    taken = read_snapshot(path, max_bytes=size)
    assert taken.content == content
    assert taken.digest == hashlib.sha256(content).hexdigest()
    assert taken.stat == stat_of(path.stat())
    assert digest_file(path) == (taken.digest, taken.stat)


@pytest.mark.parametrize("inode", [1, 2**63 - 1, 2**63, 2**64 - 1])
def test_any_inode_fits_a_database_and_stays_another_ones(inode: int) -> None:
    moments = {"st_mtime_ns": 0, "st_ctime_ns": 0}
    told = stat_of(os.stat_result((0o100644, inode, 1, 1, 0, 0, 5, 0, 0, 0), moments))
    assert -(2**63) <= told.inode < 2**63
    assert told.inode % 2**64 == inode


def test_a_snapshot_does_not_print_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"secret")
    assert "secret" not in repr(read_snapshot(tmp_path / "a.png", 10))


def test_names_that_are_not_text_are_read(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"\xff\n.png")
    with open(path, "wb") as stream:
        stream.write(b"content")
    assert read_snapshot(path, 10).content == b"content"
    assert digest_file(path)[0] == hashlib.sha256(b"content").hexdigest()


def test_a_file_above_the_limit_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(PictureRefused, match="larger than allowed: 1099511627776 bytes"):
        read_snapshot(path, max_bytes=100)


def test_a_digest_takes_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()
    os.truncate(path, BIG)
    tracemalloc.start()
    try:
        digest, _ = digest_file(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert digest == hashlib.sha256(bytes(BIG)).hexdigest()
    assert peak < 3 << 20


@readers
def test_a_missing_file_may_come_back(tmp_path: Path, read: Read) -> None:
    with pytest.raises(FileChanging, match=r"a\.png: vanished"):
        read(tmp_path / "a.png")


@readers
def test_a_file_that_grows_is_changing(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(bytes(BIG))
    with open(path, "ab", buffering=0) as stream:

        def append() -> None:
            stream.write(b"more")

        with meanwhile(append), pytest.raises(FileChanging, match="while it was read"):
            read(path)


@readers
def test_a_file_that_is_rewritten_in_place_is_changing(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(bytes(BIG))
    with open(path, "r+b", buffering=0) as stream:

        def rewrite() -> None:
            os.pwrite(stream.fileno(), b"other", BIG // 2)

        with meanwhile(rewrite), pytest.raises(FileChanging, match="changed while it was read"):
            read(path)


@readers
def test_a_file_that_is_replaced_is_changing(tmp_path: Path, read: Read) -> None:
    path, versions = tmp_path / "a.png", [tmp_path / "one", tmp_path / "other"]
    for version in versions:
        version.write_bytes(bytes(BIG))
    os.link(versions[0], path)

    def replace() -> None:
        for version in reversed(versions):
            os.link(version, tmp_path / "next")
            os.replace(tmp_path / "next", path)

    with meanwhile(replace), pytest.raises(FileChanging, match="while it was read"):
        read(path)


@readers
def test_a_file_that_is_cut_short_is_changing(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(bytes(BIG))
    sizes = itertools.count(BIG, -1)

    def cut() -> None:
        os.truncate(path, next(sizes))

    with meanwhile(cut), pytest.raises(FileChanging, match="while it was read"):
        read(path)


@readers
def test_a_directory_is_no_picture(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(PictureRefused, match="not a regular file"):
        read(tmp_path / "a.png")


@readers
def test_a_symlink_is_not_followed(tmp_path: Path, read: Read) -> None:
    (tmp_path / "real.png").write_bytes(b"content")
    (tmp_path / "a.png").symlink_to("real.png")
    with pytest.raises(PictureRefused, match="not a regular file"):
        read(tmp_path / "a.png")


@readers
def test_a_fifo_without_a_writer_does_not_hang(tmp_path: Path, read: Read) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(PictureRefused, match="not a regular file"):
        read(tmp_path / "a.png")


@readers
def test_a_socket_is_no_picture(tmp_path: Path, read: Read) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "a.png"))
        with pytest.raises(PictureRefused, match="not a regular file"):
            read(tmp_path / "a.png")


@readers
def test_a_device_is_no_picture(read: Read) -> None:
    with pytest.raises(PictureRefused, match="not a regular file"):
        read(Path("/dev/zero"))


@readers
def test_a_file_that_may_not_be_read_is_refused(read: Read) -> None:
    with shared_folder() as folder:
        (folder / "a.png").write_bytes(b"content")
        (folder / "a.png").chmod(0)
        with unprivileged(), pytest.raises(PictureRefused, match="permission denied"):
            read(folder / "a.png")


@readers
def test_a_file_in_the_place_of_its_directory_may_change_back(tmp_path: Path, read: Read) -> None:
    (tmp_path / "set").write_bytes(b"")
    with pytest.raises(FileChanging, match="cannot be read"):
        read(tmp_path / "set/a.png")


@readers
def test_no_descriptor_stays_open(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.png").write_bytes(b"content")
    (tmp_path / "dir.png").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    read(tmp_path / "a.png")
    with pytest.raises(PictureRefused):
        read(tmp_path / "dir.png")
    assert len(os.listdir("/proc/self/fd")) == before
