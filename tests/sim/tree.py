"""Files and directories in memory, as people see them, and what a power cut leaves of them.

What a process writes is volatile until it is synced, names of directories and bytes of files
alike. What people write is there for good: their programs are not on trial.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

ROOT = 1
DEVICE = 99
Names = dict[bytes, int]
Change = tuple[tuple[int, bytes, int | None], ...]
"""Names that appear and disappear in one step: directory, name, inode or None."""


@dataclass(slots=True)
class Node:
    """A file or a directory. synced: its bytes on the platter, None when none ever were."""

    number: int
    directory: bool
    data: bytes = b""
    synced: bytes | None = None
    mtime_ns: int = 0
    ctime_ns: int = 0
    names: Names = field(default_factory=dict)
    durable: Names = field(default_factory=dict)
    attributes: dict[str, bytes] = field(default_factory=dict)


def disk_error(code: int, path: bytes) -> OSError:
    """Return what the system would raise."""
    return OSError(code, os.strerror(code), os.fsdecode(path))


class Tree:
    """All files of a disk. folded: names that differ only in case are one name."""

    def __init__(
        self, clock: Callable[[], int], source: random.Random, *, granularity_ns: int = 1,
        folded: bool = False,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._source = source
        self._granularity = granularity_ns
        self._folded = folded
        self._nodes = {ROOT: Node(ROOT, directory=True)}
        self._made = ROOT
        self._pending: list[Change] = []

    def put(self, path: bytes, content: bytes) -> None:
        """Write a file, in place if it is there; directories are made."""
        self.make(os.path.dirname(path))
        node = self.find(path)
        if node is None:
            node = self.new(directory=False)
            self._apply(self.entry(path, node.number))
        node.data = node.synced = content
        self.touch(node)
        self._settle(path)

    def make(self, path: bytes) -> None:
        """Make a directory with its parents."""
        if path in (b"/", b"") or self.find(path) is not None:
            return
        self.make(os.path.dirname(path))
        self._apply(self.entry(path, self.new(directory=True).number))
        self._settle(path)

    def drop(self, path: bytes) -> None:
        """Delete a file, or a directory with all that is in it."""
        self._apply(self.entry(path, None))
        self._settle(path)

    def rename(self, source: bytes, target: bytes) -> None:
        """Rename a file or a directory, over a file that is there."""
        self.make(os.path.dirname(target))
        node = self.need(source)
        self.touch(node, written=False)
        self._apply(self.entry(source, None) + self.entry(target, node.number))
        self._settle(source)
        self._settle(target)

    def files(self, below: bytes) -> dict[bytes, bytes]:
        """Return all files below a directory by path, litter included."""
        found: dict[bytes, bytes] = {}
        for path, node in self._below(below):
            if not node.directory:
                found[path] = node.data
        return dict(sorted(found.items()))

    def contents(self, below: bytes) -> list[bytes]:
        """Return what the files below a directory hold, one with several names once."""
        nodes = {node.number: node for _, node in self._below(below) if not node.directory}
        return [node.data for node in nodes.values()]

    def durable_files(self) -> dict[bytes, bytes]:
        """Return, by path, the files that a power cut would surely leave."""
        found: dict[bytes, bytes] = {}
        waiting = [(b"", self._nodes[ROOT])]
        while waiting:
            here, node = waiting.pop()
            for name, number in node.durable.items():
                inside = self._nodes[number]
                if inside.directory:
                    waiting.append((here + b"/" + name, inside))
                elif inside.synced is not None:
                    found[here + b"/" + name] = inside.synced
        return found

    def directories(self, below: bytes) -> list[bytes]:
        """Return all directories below one, by path."""
        return sorted(path for path, node in self._below(below) if node.directory)

    def _below(self, path: bytes) -> list[tuple[bytes, Node]]:
        top, found = self.find(path), []
        waiting = [] if top is None else [(path, top)]
        while waiting:
            here, node = waiting.pop()
            inside = [(here + b"/" + name, self._nodes[n]) for name, n in node.names.items()]
            found += inside
            waiting += [each for each in inside if each[1].directory]
        return found

    def cut_power(self) -> None:
        """Lose, by chance, what was not synced. Names go and come in whole steps, in order."""
        lost: set[int] = set()
        for change in self._pending:
            touched = {directory for directory, _, _ in change}
            if touched & lost or self._source.random() < 0.5:
                lost |= touched
            else:
                self._write_through(change)
        self._pending.clear()
        for node in self._nodes.values():
            if node.directory:
                node.names = dict(node.durable)
            elif node.data != node.synced:
                kept = node.data if node.synced is None else node.synced
                node.data = self._source.choice((kept, kept[: len(kept) // 2], b""))
                node.synced = node.data

    def find(self, path: bytes) -> Node | None:
        """Return what is at an absolute path."""
        node = self._nodes[ROOT]
        for part in path.split(b"/"):
            if part:
                number = node.names.get(self._as_stored(node, part)) if node.directory else None
                if number is None:
                    return None
                node = self._nodes[number]
        return node

    def need(self, path: bytes) -> Node:
        """Return what is at a path, or raise as the system does."""
        found = self.find(path)
        if found is None:
            raise disk_error(errno.ENOENT, path)
        return found

    def new(self, *, directory: bool) -> Node:
        """Make a node without a name."""
        self._made += 1
        node = self._nodes[self._made] = Node(self._made, directory)
        self.touch(node)
        return node

    def touch(self, node: Node, *, written: bool = True) -> None:
        """Let a node's times be now. written: its bytes changed, not only its name."""
        node.ctime_ns = self.rounded(self._clock())
        if written:
            node.mtime_ns = node.ctime_ns

    def rounded(self, moment_ns: int) -> int:
        """Return a moment as the disk can keep it."""
        return moment_ns - moment_ns % self._granularity

    def node_at(self, number: int) -> Node:
        """Return a node by its number."""
        return self._nodes[number]

    def entry(self, path: bytes, number: int | None) -> Change:
        """Return the change that gives a path to a node, or to nothing."""
        directory = self.need(os.path.dirname(path))
        if not directory.directory:
            raise disk_error(errno.ENOTDIR, path)
        name = os.path.basename(path)
        stored = self._as_stored(directory, name)
        if number is None:
            return ((directory.number, stored, None),)
        cleared = () if stored == name else ((directory.number, stored, None),)
        return (*cleared, (directory.number, name, number))

    def change(self, change: Change) -> None:
        """Make a change of names that is not durable yet."""
        self._apply(change)
        self._pending.append(change)

    def sync_directory(self, number: int) -> None:
        """Make a directory's names durable, with all steps that they depend on.

        Its own name is one of them, as journaling filesystems have it.
        """
        wanted, through = {number}, []
        for change in reversed(self._pending):
            touched = {directory for directory, _, _ in change}
            if touched & wanted or any(named in wanted for _, _, named in change):
                wanted |= touched
                through.append(change)
        for change in reversed(through):
            self._write_through(change)
            self._pending.remove(change)

    def _apply(self, change: Change) -> None:
        for directory, name, number in change:
            names = self._nodes[directory].names
            if number is None:
                names.pop(name, None)
            else:
                names[name] = number
            self.touch(self._nodes[directory])

    def _write_through(self, change: Change) -> None:
        for directory, name, number in change:
            names = self._nodes[directory].durable
            if number is None:
                names.pop(name, None)
            else:
                names[name] = number

    def _settle(self, path: bytes) -> None:
        """Make durable what a person changed: its directory as it is now."""
        directory = self.find(os.path.dirname(path))
        if directory is not None:
            self.sync_directory(directory.number)
            directory.durable = dict(directory.names)

    def _as_stored(self, directory: Node, name: bytes) -> bytes:
        """Return a name as the directory spells it, where case does not matter."""
        if not self._folded or name in directory.names:
            return name
        folded = name.lower()
        return next((one for one in directory.names if one.lower() == folded), name)
