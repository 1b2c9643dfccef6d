"""What adopting looks at: the files and items that may be the same, and how each of them looks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from sqlalchemy import Connection

from boardsync.engine.context import Mirror
from boardsync.engine.decide import CHUNK, Boards
from boardsync.engine.parcel import DECODING
from boardsync.engine.preparing import needs_of
from boardsync.errors import (
    FileChanging,
    FolderAway,
    ItemMissing,
    PictureRefused,
    Refused,
)
from boardsync.files.snapshot import read_snapshot, reading
from boardsync.model import Item
from boardsync.picture.measure import measure
from boardsync.picture.pixels import pixel_digest_of
from boardsync.picture.prepare import Looks, looks_of
from boardsync.plan.adoption import (
    Candidate,
    Group,
    Measured,
    Picture,
    Shape,
    grouped,
    is_adoptable,
    pictures_of,
)
from boardsync.state import adoption, cases
from boardsync.state.records import BoardRecord

PICTURES_AT_ONCE = 2 * (os.cpu_count() or 1)
"""Files that are in memory together."""


@dataclass(frozen=True, slots=True)
class BoardWork:
    """What may be adopted of one board. items: how many of it are free, files: without an item."""

    board: BoardRecord
    groups: list[Group]
    items: int
    files: int


def gather(mirror: Mirror, boards: Boards) -> list[BoardWork]:
    """Find what may be the same, on every board. Reads the headers of files; in a thread."""
    return [_gather_board(mirror, board) for board in boards.values()]


def keeps_bytes(mirror: Mirror) -> bool:
    """Tell whether equal pictures have equal bytes on this server."""
    return not mirror.server.capabilities.reencodes


def _gather_board(mirror: Mirror, board: BoardRecord) -> BoardWork:
    by_bytes = keeps_bytes(mirror)
    with mirror.state.read() as connection:
        free = list(adoption.free_items(connection, board.id))
        open_here = list(_open_files(connection, mirror, board))
    items = [one for one in (_candidate(item, by_bytes=by_bytes) for item in free) if one]
    pictures = pictures_of(open_here if items else (), one_item=mirror.policy().one_item)
    shapes = {one.shape for one in items}
    measured = (_measured(mirror, one, by_bytes=by_bytes) for one in pictures)
    groups = grouped((one for one in measured if one and one.shapes & shapes), items)
    return BoardWork(board, groups, len(free), len(open_here))


def _open_files(
    connection: Connection, mirror: Mirror, board: BoardRecord
) -> Iterator[tuple[bytes, str]]:
    """Yield a board's files that have no item and none that is known as theirs."""
    after, one_item = b"", mirror.policy().one_item
    while batch := cases.open_files(connection, mirror.number, mirror.layout, CHUNK, after):
        after = batch[-1][0]
        here = [one for one in batch if mirror.layout.subfolder_of(one[0]) == board.subfolder]
        found = cases.file_cases(connection, mirror.number, mirror.key, board.id, here)
        for case in found:
            if is_adoptable(case, one_item=one_item):
                yield case.path, case.digest


def _candidate(item: adoption.FreeItem, *, by_bytes: bool) -> Candidate | None:
    """Return an item as a candidate; None when the server does not tell its shape."""
    known = (item.size,) if by_bytes else (item.width, item.height)
    shape: Shape = tuple(one for one in known if one is not None)
    whole = len(shape) == len(known)
    return Candidate(item.item_id, item.version, shape, item.size) if whole else None


def _measured(mirror: Mirror, picture: Picture, *, by_bytes: bool) -> Measured | None:
    """Measure a picture by its header, or by its size; None when it cannot be read now."""
    for path in picture.paths:
        absolute = mirror.absolute(path)
        try:
            if by_bytes:
                return Measured(picture, frozenset({(mirror.disk.lstat(absolute).st_size,)}))
            with reading(absolute, mirror.disk) as stream:
                shapes: frozenset[Shape] = measure(stream).either_way
                return Measured(picture, shapes)
        except (OSError, FileChanging, PictureRefused):
            continue
    return None


async def looks_of_pictures(
    mirror: Mirror, pictures: Sequence[Picture], step: Callable[[int], None] = lambda _: None
) -> list[tuple[Picture, Looks]]:
    """Return how files may look on the board. What cannot be read now is left out.

    step: is told how many were prepared; those are none where bytes tell.
    """
    if keeps_bytes(mirror):
        return [(one, Looks(one.digest, frozenset())) for one in pictures]
    found: list[tuple[Picture, Looks]] = []
    for start in range(0, len(pictures), PICTURES_AT_ONCE):
        some = pictures[start : start + PICTURES_AT_ONCE]
        looks = await asyncio.gather(*(asyncio.to_thread(_looks, mirror, one) for one in some))
        found += [(one, seen) for one, seen in zip(some, looks, strict=True) if seen is not None]
        step(len(some))
    return found


def _looks(mirror: Mirror, picture: Picture) -> Looks | None:
    limits, needs = mirror.limits(), needs_of(mirror.server.capabilities)
    for path in picture.paths:
        try:
            snapshot = read_snapshot(mirror.absolute(path), limits.max_bytes, mirror.disk)
            if snapshot.digest == picture.digest:
                with DECODING:
                    return looks_of(snapshot.content, needs, limits)
        except (FileChanging, PictureRefused, FolderAway):
            continue
    return None


@dataclass(frozen=True, slots=True)
class Seen:
    """An item that was fetched. look: None when it is gone, changed, or cannot be compared."""

    candidate: Candidate
    item: Item | None = None
    look: str | None = None
    size: int = 0


async def look_at(
    mirror: Mirror, board: BoardRecord, candidates: Sequence[Candidate]
) -> list[Seen]:  # fmt: skip
    """Fetch items and tell how they look, in their order.

    Only those pictures are in memory that are fetched at one time. Raises TryAgain when the
    server is away.
    """
    described = await mirror.server.items(board.server_id, [one.item_id for one in candidates])
    there = {
        one.item_id: one for one in described
        if one.board_id == board.server_id and not one.trashed
    }  # fmt: skip
    room = asyncio.Semaphore(mirror.server.capabilities.downloads_at_once)

    async def one(candidate: Candidate) -> Seen:
        item = there.get(candidate.item_id)
        if item is None or item.version != candidate.version:
            return Seen(candidate)
        async with room:
            return await _fetched(mirror, candidate, item)

    found = await asyncio.gather(*(one(each) for each in candidates), return_exceptions=True)
    seen = []
    for each in found:
        if isinstance(each, BaseException):
            raise each
        seen.append(each)
    return seen


async def _fetched(mirror: Mirror, candidate: Candidate, item: Item) -> Seen:
    sink = BytesIO()
    try:
        got = await mirror.server.download(item, sink)
        if keeps_bytes(mirror):
            return Seen(candidate, item, got.digest, got.size)
        look = await asyncio.to_thread(_pixels, mirror, sink.getvalue())
        return Seen(candidate, item, look, got.size)
    except (FileChanging, ItemMissing, Refused):
        return Seen(candidate, item)


def _pixels(mirror: Mirror, content: bytes) -> str:
    with DECODING:
        return pixel_digest_of(content, mirror.limits())
