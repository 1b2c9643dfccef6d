"""What the directory kind does, without asyncio: every method blocks, and may run in any thread.

Each operation first makes sure that the known directory is there, and looks again before it
says that a board is missing: a disk that is pulled out takes its boards along, and that must
not read as their deletion.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO

from boardsync.errors import BoardMissing, FileChanging, ItemMissing, ServerRefused
from boardsync.files.durable import fsync_directory, remove_if_there
from boardsync.formats import format_by_extension
from boardsync.formats.verdict import Verdict
from boardsync.formats.whole import check
from boardsync.model import Board, Download, Entry, Item, Listing, Mark, ServerInfo
from boardsync.servers.directory.marks import mark_path
from boardsync.servers.directory.names import is_board_name, require_board_name
from boardsync.servers.directory.origins import TRASH
from boardsync.servers.directory.reading import is_whole, read_item, require_whole
from boardsync.servers.directory.recall import Recall
from boardsync.servers.directory.root import Root
from boardsync.servers.directory.trash import Trash
from boardsync.servers.directory.tree import (
    Place,
    Scandir,
    is_folder,
    places,
    subfolders,
    walk,
)
from boardsync.servers.directory.trouble import classified
from boardsync.servers.directory.versions import Versions, versions_now
from boardsync.servers.port import BoardId

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Ways:
    """How the boards reach the world. max_bytes: the largest picture that is read."""

    scandir: Scandir
    clock_ns: Callable[[], int]
    max_bytes: int


class DirectoryBoards:
    """The boards below one root."""

    def __init__(self, server: str, root: Root, ways: Ways) -> None:
        self._server = server
        self._root = root
        self._ways = ways
        self.recall = Recall(root.path, ways.scandir, ways.clock_ns)
        self.trash = Trash(root.path, ways.clock_ns)
        self._settled: set[str] = set()

    def require(self, *, claim: bool = False) -> str:
        """Return the root's path when it is there; see `Root.require`."""
        self._root.require(claim=claim)
        return self._root.path

    def probe(self) -> ServerInfo:
        self._root.require()
        remarks = () if self._root.writable else ("read-only: pictures can be pulled only",)
        return ServerInfo("directory", "", self._root.path, remarks)

    def all(self) -> list[Board]:
        self._root.require()
        with classified(f"server {self._server}: listing {self._root.path}"):
            names = subfolders(self._root.path, self._ways.scandir)
        return [Board(name, name) for name in names]

    def one(self, board_id: BoardId) -> Board:
        path = self.open(board_id)
        return Board(os.path.basename(path), os.path.basename(path))

    def create(self, name: str) -> Board:
        """Make a board, or return the one of that name. Raises ServerRefused."""
        self._root.require(claim=True)
        path = os.path.join(self._root.path, require_board_name(name))
        with classified(f"board {name!r}: making {path}"):
            try:
                os.mkdir(path)
            except FileExistsError:
                if not is_folder(path):
                    raise ServerRefused(
                        f"board {name!r}: {path} is there and is no directory; move it away"
                    ) from None
            fsync_directory(self._root.path)
        return Board(name, name)

    def listing(self, board_id: BoardId, known: str | None) -> Listing:
        path = self.open(board_id)
        # A board that is there proves that this is no bare mount point.
        self._root.require(claim=True)
        with classified(f"board {board_id!r}: listing {path}"):
            found = walk(path, versions_now(), self._ways.scandir)
        self._settle(path, {os.path.dirname(item[0]) for item in found.items})
        self._root.require()
        digest = _digest(found.items)
        entries = None if digest == known else tuple(Entry(*item) for item in found.items)
        return Listing(board_id, digest, entries, found.complete)

    def _settle(self, board: str, folders: set[str]) -> None:
        """Make durable, once in a process, what is listed: another may have ended before that.

        What is recorded of an item would outlive it. A filesystem that cannot do it has no more to
        offer, and a folder that just vanished has nothing to settle: the listing is what counts.
        """
        if board in self._settled or not self._root.writable:
            return
        self._settled.add(board)
        inside = {os.path.join(board, above) for one in folders for above in _and_above(one)}
        for path in (self._root.path, board, *sorted(inside)):
            with suppress(OSError):
                fsync_directory(path)

    def items(self, board_id: BoardId, item_ids: Sequence[str]) -> list[Item]:
        """Describe items of a board, and by their ids there those in the trash."""
        versions = versions_now()
        removed = self._removed(item_ids)
        found = [describe_trashed(place, versions) for place in removed]
        if board_id == TRASH:
            return found
        path = self.open(board_id)
        with classified(f"board {board_id!r}: looking at its items"):
            there = [describe(board_id, place, versions) for place in places(path, item_ids)]
        return there + found

    def marks(self, board_id: BoardId, item_ids: Sequence[str]) -> dict[str, Mark | None]:
        """Read the marks of a board's items; those in the trash are asked for as on TRASH."""
        with classified(f"board {board_id!r}: reading its marks"):
            if board_id == TRASH:
                found: Iterable[Place] = self._removed(item_ids)
            else:
                found = places(self.open(board_id), item_ids)
            records = self.recall.records(found, versions_now())
            return {
                place.item_id: None if record is None else record.mark for place, record in records
            }

    def find(self, token: str) -> list[Item]:
        """Find the items that carry a token, on boards and in the trash."""
        self._root.require()
        versions = versions_now()
        with classified(f"server {self._server}: looking for an upload"):
            found = self.recall.find(token, versions)
            items = [describe(board_id, place, versions) for board_id, place in found]
            for place in self.trash.marked(token):
                mark = self.recall.mark(place, versions)
                if mark is not None and mark.token == token:
                    items.append(describe_trashed(place, versions))
        return items

    def download(self, item: Item, sink: BinaryIO) -> Download:
        place = self.place(item)
        if item.version not in ("", versions_now().of(place.stat)):
            raise FileChanging(f"item {item.item_id}: changed since it was listed")
        snapshot = read_item(place, self._ways.max_bytes)
        verdict = require_whole(place, snapshot, self._ways.clock_ns())
        for chunk in _chunks(snapshot.content):
            sink.write(chunk)
        return Download(
            snapshot.digest,
            len(snapshot.content),
            verdict.width or 0,
            verdict.height or 0,
            _extension(place.name, verdict),
        )

    def complete(self, item: Item) -> bool:
        place = self.place(item)
        try:
            snapshot = read_item(place, self._ways.max_bytes)
        except FileChanging:
            return False
        return is_whole(snapshot, check(snapshot.content), self._ways.clock_ns())

    def delete_ghost(self, item: Item) -> None:
        """Delete an upload of ours whose bytes a fault of the disk took; if it is still there.

        Only what nobody has touched since we wrote it, told by its mark's version: torn bytes
        with another version are somebody's work in progress. Raises FileChanging when it is
        whole, ServerRefused when it is not ours.
        """
        try:
            place = self.place(item)
        except ItemMissing:
            return
        if item.trashed:
            raise ServerRefused(f"{item.item_id}: in the trash, where nothing is a ghost")
        if check(read_item(place, self._ways.max_bytes).content).whole:
            raise FileChanging(f"item {item.item_id}: became whole, so it is not deleted")
        with classified(f"item {item.item_id}: deleting it"):
            mark = self.recall.mark(place, versions_now())
            if mark is None:
                raise ServerRefused(f"item {item.item_id}: not an upload of ours, so it is kept")
            remove_if_there(place.path)
            remove_if_there(mark_path(place.folder, place.name, mark.token))
            fsync_directory(place.folder)

    def open(self, board_id: BoardId, *, claim: bool = False) -> str:
        """Return a board's path. Raises BoardMissing, or what `Root.require` raises."""
        self._root.require(claim=claim)
        if board_id is not None and is_board_name(board_id):
            path = os.path.join(self._root.path, board_id)
            with classified(f"board {board_id!r}: looking for it"):
                if is_folder(path):
                    return path
        self._root.require()
        raise BoardMissing(f"server {self._server} has no board {board_id!r}")

    def place(self, item: Item) -> Place:
        """Find where an item lies, in the trash too. Raises ItemMissing, BoardMissing."""
        if item.board_id == TRASH:
            found = self._removed([item.item_id])
        else:
            path = self.open(item.board_id)
            with classified(f"item {item.item_id}: looking for it"):
                found = list(places(path, [item.item_id]))
        if not found:
            self._root.require()
            raise ItemMissing(f"board {item.board_id!r} has no item {item.item_id!r}")
        return found[0]

    def _removed(self, item_ids: Sequence[str]) -> list[Place]:
        self._root.require()
        with classified(f"server {self._server}: looking into its trash"):
            return list(self.trash.places(item_ids))


def describe(board_id: BoardId, place: Place, versions: Versions) -> Item:
    """Describe an item without reading it: its dimensions are known once it is downloaded."""
    return Item(
        place.item_id,
        board_id,
        version=versions.of(place.stat),
        created_ms=place.stat.st_mtime_ns // 1_000_000,
        extension=os.path.splitext(place.name)[1].lower(),
        size=place.stat.st_size,
    )


def describe_trashed(place: Place, versions: Versions) -> Item:
    """Describe something in the trash, which is on no board but that of the trash."""
    return replace(describe(TRASH, place, versions), trashed=True)


def _and_above(folder: str) -> Iterator[str]:
    """Yield a relative folder and those above it, without the board itself."""
    while folder:
        yield folder
        folder = os.path.dirname(folder)


def _digest(items: Iterable[tuple[str, str]]) -> str:
    body = "".join(f"{item_id}\0{version}\0" for item_id, version in items)
    return hashlib.sha256(os.fsencode(body)).hexdigest()


def _extension(name: str, verdict: Verdict) -> str:
    """Return the extension that fits the bytes: the item's own, unless it is another format's."""
    if verdict.format is None or format_by_extension(name) == verdict.format:
        return os.path.splitext(name)[1].lower()
    return verdict.format.extension


def _chunks(content: bytes) -> Iterator[memoryview]:
    view = memoryview(content)
    return (view[start : start + _CHUNK] for start in range(0, len(view), _CHUNK))
