"""Looks at a watched folder and tells what is there, in byte order.

Streams: of a million files only the names of the directories on the way down are in memory.
Absence is proven only where the report says so. Symlinks are not followed, nothing but
directories is opened, and no name is taken to be text.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from typing import NamedTuple

from boardsync.errors import Bug, FolderAway
from boardsync.files.disk import SYSTEM, Disk, Entry
from boardsync.files.durable import TEMP_PREFIX
from boardsync.files.snapshot import stat_of
from boardsync.local.ignore import Reason, Rules
from boardsync.local.listed import Listed
from boardsync.local.report import ScanReport
from boardsync.local.root import RootIdentity, in_words, open_root, read_ignore_file
from boardsync.model import FileStat

__all__ = [
    "Found",
    "Gone",
    "RootIdentity",
    "ScanReport",
    "directories",
    "open_root",
    "read_ignore_file",
    "scan",
    "scan_paths",
]

SLASH = 0x2F


class Found(NamedTuple):
    """A picture that is there. A tuple, because a scan makes a million of them."""

    path: bytes
    stat: FileStat


class Gone(NamedTuple):
    """Nothing is at this path: whatever was known at it, and below it, is not there now."""

    path: bytes


def scan(root: bytes, rules: Rules, report: ScanReport, disk: Disk = SYSTEM) -> Iterator[Found]:
    """Walk the whole folder and yield its pictures in byte order of their paths.

    Raises FolderAway when the folder is missing or cannot be listed. A folder that is swapped
    or goes away meanwhile ends the scan like any other, with nothing proven gone.
    """
    report.root = open_root(root, disk)
    yield from _walk(base_of(root), b"", report.root.device, rules, report, disk)
    finish(root, report, disk)


def scan_paths(
    root: bytes, rules: Rules, paths: Iterable[bytes], report: ScanReport, disk: Disk = SYSTEM
) -> Iterator[Found | Gone]:
    """Look at some paths only: the pictures there, or below where a path is a directory.

    A path is looked at once, however often and at whatever depth it is named. Those that are
    Gone come last, when it is known that the folder was there all the time. What is left
    alone, and what could not be looked at, is neither found nor gone. Below a directory in
    `report.walked`, what was not found is gone unless the report calls it unproven.
    Raises FolderAway as `scan` does.
    """
    wanted = set(paths)
    _require_relative(wanted)
    report.root = open_root(root, disk)
    base = base_of(root)
    above: dict[bytes, _Kind] = {}
    gone: list[bytes] = []
    names = Listed(root, disk)
    walked: bytes | None = None
    for path in sorted(wanted, key=_prefix):
        if walked is not None and path.startswith(walked):
            continue
        kind = _kind(base, path, above, report, disk)
        if kind in (_Kind.FILE, _Kind.DIRECTORY) and (listed := names.path(path)) != path:
            # The filesystem ignores case: what is there has another name.
            gone.append(path)
            if listed in wanted:
                continue
            path = listed
        if kind is _Kind.NOTHING:
            gone.append(path)
        elif kind is _Kind.DIRECTORY and _is_wanted(path, True, rules, report):
            walked = _prefix(path)
            yield from _walk(base, walked, report.root.device, rules, report, disk)
            report.walked.append(path)
        elif kind is _Kind.FILE and _is_wanted(path, False, rules, report):
            found = _look(base, path, report, disk)
            if found is not None:
                yield found
    finish(root, report, disk)
    yield from (Gone(path) for path in gone if not report.unproven(path))


def directories(
    root: bytes, rules: Rules, report: ScanReport, *, recursive: bool, disk: Disk = SYSTEM
) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield a folder, and with `recursive` all below it, each with the names of its pictures.

    Paths are relative, names in byte order, and a directory comes before what is in it. For who
    looks at a directory as a whole: pictures are listed, not looked at. Raises as `scan` does.
    """
    report.root = open_root(root, disk)
    base = base_of(root)
    ahead = [(b"", report.root.device)]
    while ahead:
        prefix, device = ahead.pop()
        level = enter(base, prefix, device, rules, report, disk)
        names = list(level.names)
        if recursive:
            below = (prefix + name for name in reversed(names) if name[-1] == SLASH)
            ahead.extend((path, level.device) for path in below)
        yield prefix[:-1], [name for name in names if name[-1] != SLASH]


def list_directory(
    base: bytes, prefix: bytes, rules: Rules, report: ScanReport, disk: Disk = SYSTEM
) -> list[bytes]:
    """Return the names in one directory that are not left alone, in the order of a walk.

    base: the folder with a slash behind it. prefix: the directory below it with a slash
    behind it, empty for the folder itself. Directories carry a slash behind their names: that
    sorts them to where the paths of their files belong.
    """
    names: list[bytes] = []
    judge = rules.judge
    try:
        with disk.scandir(base + prefix) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_file(follow_symlinks=False):
                    verdict = judge(prefix, name, False)
                elif entry.is_dir(follow_symlinks=False):
                    verdict = judge(prefix, name, True)
                    name += b"/"
                else:
                    _note_odd(entry, prefix, rules, report)
                    continue
                if verdict is None:
                    names.append(name)
                else:
                    report.ignore(verdict.reason)
                    if name.startswith(TEMP_PREFIX) and name[-1] != SLASH:
                        report.temporaries.append(prefix + name)
    except OSError as error:
        report.unseen(prefix[:-1], in_words(error))
    names.sort()
    return names


class _Level(NamedTuple):
    """A directory that the walk is in."""

    prefix: bytes
    names: Iterator[bytes]
    device: int


def _walk(
    base: bytes, top: bytes, device: int, rules: Rules, report: ScanReport, disk: Disk
) -> Iterator[Found]:
    """Yield the pictures below a directory. A stack of our own: depth costs no recursion."""
    stack = [enter(base, top, device, rules, report, disk)]
    while stack:
        prefix, names, device = stack[-1]
        for name in names:
            if name[-1] == SLASH:
                stack.append(enter(base, prefix + name, device, rules, report, disk))
                break
            found = _look(base, prefix + name, report, disk)
            if found is not None:
                yield found
        else:
            stack.pop()


def enter(
    base: bytes, prefix: bytes, device: int, rules: Rules, report: ScanReport, disk: Disk
) -> _Level:
    """List a directory that the walk comes to. device: that of the directory above."""
    path = prefix[:-1]
    empty = _Level(prefix, iter(()), device)
    try:
        result = disk.lstat(base + path)
    except OSError as error:
        report.unseen(path, in_words(error))
        return empty
    if stat.S_ISLNK(result.st_mode):
        report.symlink(path)
        return empty
    if result.st_dev != device:
        report.mounts.append(path)
    report.directories += 1
    return _Level(prefix, iter(list_directory(base, prefix, rules, report, disk)), result.st_dev)


def _look(base: bytes, path: bytes, report: ScanReport, disk: Disk) -> Found | None:
    """Stat a file that was there a moment ago; when it is not any more, nothing is proven."""
    try:
        result = disk.lstat(base + path)
    except OSError as error:
        report.unseen(path, in_words(error))
        return None
    if not stat.S_ISREG(result.st_mode):
        report.unseen(path, "became something else during the scan")
        return None
    report.files += 1
    return Found(path, stat_of(result))


class _Kind(Enum):
    """What stands at a path, as far as it concerns a mirror."""

    NOTHING = auto()
    FILE = auto()
    DIRECTORY = auto()
    UNKNOWN = auto()


def _kind(
    base: bytes, path: bytes, above: dict[bytes, _Kind], report: ScanReport, disk: Disk
) -> _Kind:
    """Tell what a path is, without passing through a symlink on the way to it.

    above: the directories that were met on the way to other paths.
    """
    end = path.find(b"/")
    while end != -1:
        here = path[:end]
        if here not in above:
            above[here] = _kind_here(base, here, report, disk)
        if above[here] is _Kind.UNKNOWN:
            return _Kind.UNKNOWN
        if above[here] is not _Kind.DIRECTORY:
            return _Kind.NOTHING
        end = path.find(b"/", end + 1)
    return _kind_here(base, path, report, disk)


def _kind_here(base: bytes, path: bytes, report: ScanReport, disk: Disk) -> _Kind:
    """Tell what a path is whose directory is known to be one."""
    try:
        mode = disk.lstat(base + path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _Kind.NOTHING
    except OSError as error:
        report.unseen(path, in_words(error))
        return _Kind.UNKNOWN
    if stat.S_ISREG(mode):
        return _Kind.FILE
    if stat.S_ISDIR(mode):
        return _Kind.DIRECTORY
    if stat.S_ISLNK(mode):
        report.symlink(path)
        return _Kind.UNKNOWN
    report.ignore(Reason.SPECIAL)
    return _Kind.NOTHING


def _is_wanted(path: bytes, is_dir: bool, rules: Rules, report: ScanReport) -> bool:
    verdict = rules.verdict(path, is_dir)
    if verdict is not None:
        report.ignore(verdict.reason)
    return verdict is None


def _note_odd(entry: Entry, prefix: bytes, rules: Rules, report: ScanReport) -> None:
    """Note a symlink, or a FIFO, socket or device."""
    if not entry.is_symlink():
        report.ignore(Reason.SPECIAL)
        return
    verdict = rules.judge(prefix, entry.name, True)
    if verdict is None:
        report.symlink(prefix + entry.name)
    else:
        report.ignore(verdict.reason)


def finish(root: bytes, report: ScanReport, disk: Disk) -> None:
    """Close the report; when the folder is not the one it was, nothing is proven gone."""
    try:
        same = open_root(root, disk) == report.root
    except FolderAway:
        same = False
    if not same:
        report.unseen(b"", "the folder was swapped or went away during the scan")
    report.finished = True


def base_of(root: bytes) -> bytes:
    return root if root.endswith(b"/") else root + b"/"


def _prefix(path: bytes) -> bytes:
    """Return what the paths below a path begin with."""
    return path + b"/" if path else b""


def _require_relative(paths: Iterable[bytes]) -> None:
    for path in paths:
        parts = path.split(b"/") if path else ()
        if b"\0" in path or any(part in (b"", b".", b"..") for part in parts):
            raise Bug(f"not a path relative to the mirror's folder: {path!r}")
