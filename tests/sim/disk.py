"""The disk of `boardsync.files.disk`, simulated: deterministic, and with faults to order."""

from __future__ import annotations

import errno
import io
import os
import random
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from boardsync.files.disk import Entries, PathArg
from sim.tree import DEVICE, Change, Node, Tree, disk_error


@dataclass(slots=True)
class DiskFaults:
    """What goes wrong. room: bytes, and names, that may still be written. unreadable: paths that
    give EACCES. failing: by chance, reading and syncing give EIO. crippled: nothing can be
    renamed without replacing. blind: there are no extended attributes.
    """

    room: int | None = None
    unreadable: set[bytes] = field(default_factory=set)
    failing: float = 0.0
    crippled: bool = False
    blind: bool = False


@dataclass(slots=True)
class _Opened:
    """An open file. at: where the next byte is read or written."""

    node: Node
    path: bytes
    at: int = 0


class SimDisk(Tree):
    """A tree as a process sees it.

    step: called before anything that it asks for; may raise. note: told of what it changes.
    """

    def __init__(
        self, clock: Callable[[], int], source: random.Random, *, granularity_ns: int = 1,
        folded: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(clock, source, granularity_ns=granularity_ns, folded=folded)
        self.faults = DiskFaults()
        self.step: Callable[[str], None] = lambda _operation: None
        self.note: Callable[[str], None] = lambda _text: None
        self._open: dict[int, _Opened] = {}
        self._descriptors = 1000

    def stat(self, path: PathArg) -> os.stat_result:
        return self.lstat(path)

    def lstat(self, path: PathArg) -> os.stat_result:
        return _result(self._asked("lstat", path))

    def lexists(self, path: PathArg) -> bool:
        self.step("lexists")
        return self.find(os.fsencode(path)) is not None

    def isdir(self, path: PathArg) -> bool:
        self.step("isdir")
        node = self.find(os.fsencode(path))
        return node is not None and node.directory

    def realpath(self, path: bytes) -> bytes:
        return path

    def access(self, path: PathArg, mode: int) -> bool:
        return os.fsencode(path) not in self.faults.unreadable

    def scandir(self, path: bytes) -> Entries:
        node = self._asked("scandir", path)
        if not node.directory:
            raise disk_error(errno.ENOTDIR, path)
        self._may_refuse(path)
        self._may_fail(path)
        return self._entries(node)

    @contextmanager
    def _entries(self, node: Node) -> Iterator[Iterator[SimEntry]]:
        yield iter([SimEntry(name, self.node_at(n)) for name, n in node.names.items()])

    def open(self, path: PathArg, flags: int, mode: int = 0o777) -> int:
        self.step("open")
        name = os.fsencode(path)
        node = self.find(name)
        if node is None:
            if not flags & os.O_CREAT:
                raise disk_error(errno.ENOENT, name)
            node = self.new(directory=False)
            self._renamed(self.entry(name, node.number), name)
        elif flags & os.O_EXCL:
            raise disk_error(errno.EEXIST, name)
        elif flags & os.O_DIRECTORY and not node.directory:
            raise disk_error(errno.ENOTDIR, name)
        self._may_refuse(name)
        if flags & os.O_TRUNC:
            node.data = b""
            self.touch(node)
        self._descriptors += 1
        self._open[self._descriptors] = _Opened(node, name)
        return self._descriptors

    def fdopen(self, fd: int, mode: str, *, closefd: bool = True) -> BinaryIO:
        if self._open[fd].node.directory:
            raise disk_error(errno.EISDIR, self._open[fd].path)
        return cast("BinaryIO", SimStream(self, fd, closefd=closefd))

    def fstat(self, fd: int) -> os.stat_result:
        self.step("fstat")
        return _result(self._open[fd].node)

    def readv(self, fd: int, buffers: Sequence[memoryview]) -> int:
        content = self.read(fd, len(buffers[0]))
        buffers[0][: len(content)] = content
        return len(content)

    def read(self, fd: int, size: int) -> bytes:
        """Read on, at most so many bytes."""
        self.step("read")
        opened = self._open[fd]
        self._may_fail(opened.path)
        content = opened.node.data[opened.at : opened.at + size]
        opened.at += len(content)
        return content

    def write(self, fd: int, content: bytes) -> int:
        """Write on."""
        self.step("write")
        opened = self._open[fd]
        self._take_room(len(content), opened.path)
        data, at = opened.node.data, opened.at
        opened.node.data = data[:at] + content + data[at + len(content) :]
        opened.at += len(content)
        self.touch(opened.node)
        return len(content)

    def is_written(self, fd: int) -> bool:
        return False  # its people write in one step

    def close(self, fd: int) -> None:
        self._open.pop(fd, None)

    def fsync(self, fd: int) -> None:
        self.step("fsync")
        opened = self._open[fd]
        self._may_fail(opened.path)
        if opened.node.directory:
            self.sync_directory(opened.node.number)
        else:
            opened.node.synced = opened.node.data

    def sync_stream(self, stream: BinaryIO) -> None:
        stream.flush()
        self.fsync(stream.fileno())

    def make_private(self, path: PathArg) -> None:
        """Do nothing: nobody else is here."""

    def mkdir(self, path: PathArg) -> None:
        self.step("mkdir")
        name = os.fsencode(path)
        if self.find(name) is not None:
            raise disk_error(errno.EEXIST, name)
        self._renamed(self.entry(name, self.new(directory=True).number), name)

    def rmdir(self, path: PathArg) -> None:
        node = self._asked("rmdir", path)
        if not node.directory or node.names:
            raise disk_error(errno.ENOTEMPTY, os.fsencode(path))
        self.change(self.entry(os.fsencode(path), None))

    def unlink(self, path: PathArg) -> None:
        node = self._asked("unlink", path)
        if node.directory:
            raise disk_error(errno.EISDIR, os.fsencode(path))
        self.note(f"disk: removes {os.fsencode(path)!r}")
        self.change(self.entry(os.fsencode(path), None))

    def link(self, source: bytes, target: bytes) -> None:
        node = self._asked("link", source)
        if self.find(target) is not None:
            raise disk_error(errno.EEXIST, target)
        self.touch(node, written=False)
        self._renamed(self.entry(target, node.number), target)

    def replace(self, source: bytes, target: bytes) -> None:
        node = self._asked("replace", source)
        self._renamed(self.entry(source, None) + self.entry(target, node.number), target)

    def rename_noreplace(self, source: bytes, target: bytes) -> bool:
        node = self._asked("rename", source)
        if self.faults.crippled:
            return False
        there = self.find(target)
        if there is not None and (there is not node or source == target):
            raise disk_error(errno.EEXIST, target)
        self.touch(node, written=False)
        self._renamed(self.entry(source, None) + self.entry(target, node.number), target)
        return True

    def room(self, path: PathArg) -> tuple[int, int]:
        """Return a disk that is never near its floor: when it is full, it is so at once."""
        return 1 << 40, 1 << 40

    def chown(self, fd: int, user: int, group: int) -> None:
        self.step("chown")

    def chmod(self, fd: int, mode: int) -> None:
        self.step("chmod")

    def set_times(self, path: PathArg, moment_ns: int) -> None:
        node = self._asked("utime", path)
        self.touch(node)
        node.mtime_ns = self.rounded(moment_ns)

    def getxattr(self, path: PathArg, name: str) -> bytes:
        node = self._asked("getxattr", path)
        if name not in node.attributes:
            raise disk_error(errno.ENODATA, os.fsencode(path))
        return node.attributes[name]

    def setxattr(self, path: PathArg, name: str, value: bytes) -> None:
        node = self._asked("setxattr", path)
        if self.faults.blind:
            raise disk_error(errno.ENOTSUP, os.fsencode(path))
        node.attributes[name] = value
        self.touch(node, written=False)

    def cut_power(self) -> None:
        super().cut_power()
        self._open.clear()

    def _asked(self, operation: str, path: PathArg) -> Node:
        self.step(operation)
        return self.need(os.fsencode(path))

    def _renamed(self, change: Change, path: bytes) -> None:
        self._take_room(1, path)
        self.note(f"disk: names {path!r}")
        self.change(change)

    def _take_room(self, size: int, path: bytes) -> None:
        if self.faults.room is None:
            return
        if self.faults.room < size:
            raise disk_error(errno.ENOSPC, path)
        self.faults.room -= size

    def _may_refuse(self, path: bytes) -> None:
        if path in self.faults.unreadable:
            raise disk_error(errno.EACCES, path)

    def _may_fail(self, path: bytes) -> None:
        if self.faults.failing and self._source.random() < self.faults.failing:
            raise disk_error(errno.EIO, path)


class SimEntry:
    """One name of a directory, as it was when the directory was listed."""

    def __init__(self, name: bytes, node: Node) -> None:
        self.name = name
        self._node = node

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return not self._node.directory

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._node.directory

    def is_symlink(self) -> bool:
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return _result(self._node)


class SimStream(io.RawIOBase):
    """An open file as a stream. Nothing is buffered."""

    def __init__(self, disk: SimDisk, fd: int, *, closefd: bool) -> None:
        self._disk = disk
        self._fd = fd
        self._closefd = closefd

    def fileno(self) -> int:
        return self._fd

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readall(self) -> bytes:
        return self.read(1 << 40)

    def read(self, size: int = -1, /) -> bytes:
        return self._disk.read(self._fd, 1 << 40 if size < 0 else size)

    def write(self, content: bytes, /) -> int:  # type: ignore[override]
        return self._disk.write(self._fd, bytes(content))

    def close(self) -> None:
        if not self.closed and self._closefd:
            self._disk.close(self._fd)
        super().close()


def _result(node: Node) -> os.stat_result:
    kind = stat.S_IFDIR | 0o755 if node.directory else stat.S_IFREG | 0o644
    seconds = node.mtime_ns // 1_000_000_000
    visible = (kind, node.number, DEVICE, 1, 0, 0, len(node.data), seconds, seconds, seconds)
    exact = {"st_mtime_ns": node.mtime_ns, "st_ctime_ns": node.ctime_ns}
    return os.stat_result(visible, exact)
