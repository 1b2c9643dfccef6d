"""Tells whether a file that is to be sent was pulled from its board once.

Links say that, and where they are lost with the state, the file's own attribute does. Where the
filesystem keeps none, its time is left: a pulled file has the time at which its item was made.
What has the time and the size of an item is compared with it, byte by byte.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from io import BytesIO

from sqlalchemy import Connection

from boardsync.engine.context import Mirror
from boardsync.errors import FileChanging, Missing
from boardsync.model import Action, ActionKind, Item
from boardsync.state import cases, links, observations, transfers
from boardsync.state.records import BoardRecord

COARSE_SECONDS = 2
"""The coarsest times that a filesystem keeps."""

Times = dict[int, list[str]]
"""Items by the second in which they were made."""


def suspects(times: Times, mtime_ns: int) -> list[str]:
    """Return the items that a file may have been pulled from, told from its time."""
    second = mtime_ns // 1_000_000_000
    near = range(second - COARSE_SECONDS, second + COARSE_SECONDS + 1)
    return [item_id for moment in near for item_id in times.get(moment, ())]


def read_times(connection: Connection, board: int) -> Times:
    """Return when the items of a board were made that nothing was ever linked to."""
    times: defaultdict[int, list[str]] = defaultdict(list)
    for item_id, created_ms in cases.unlinked_times(connection, board):
        times[created_ms // 1000].append(item_id)
    return dict(times)


def suspected_items(
    mirror: Mirror, connection: Connection, planned: Iterable[tuple[int, Action]]
) -> set[tuple[int, str]]:
    """Return the items, with their boards, that files may be that are to be sent.

    They are not pulled before that was found out. planned: what is not recorded yet.
    """
    sending = [(board, one.path) for board, one in planned if one.kind is ActionKind.UPLOAD]
    sending += [
        (one.board, one.path)
        for one in transfers.waiting(connection, [mirror.number])
        if one.kind is ActionKind.UPLOAD
    ]
    times = {board: read_times(connection, board) for board in {board for board, _ in sending}}
    found: set[tuple[int, str]] = set()
    for board, path in sending:
        if not times[board] or path is None:
            continue
        file = observations.find_file(connection, mirror.number, path)
        if file is not None:
            found.update((board, item_id) for item_id in suspects(times[board], file.mtime_ns))
    return found


class PulledBefore:
    """Compares files of one mirror with items, on boards as they were first seen.

    What appears later was not pulled before: links tell of it.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._times: dict[int, Times] = {}

    async def item_of(
        self, board: BoardRecord, digest: str, mtime_ns: int, size: tuple[int, int]
    ) -> Item | None:
        """Return the item that holds these very bytes, if a file's time speaks for one.

        size: width and height in pixels. Raises as a download does.
        """
        if not self._mirror.settings.direction.pulls:
            return None
        candidates = self._candidates(board, digest, mtime_ns, size)
        for item in candidates:
            try:
                found = await self._mirror.server.download(item, BytesIO())
            except (Missing, FileChanging):
                continue
            if found.digest == digest:
                return item
        if candidates:
            self._mirror.hints.boards("an item is not what a file was pulled from")
        return None

    def _candidates(
        self, board: BoardRecord, digest: str, mtime_ns: int, size: tuple[int, int]
    ) -> list[Item]:  # fmt: skip
        times = self._times.get(board.id)
        with self._mirror.state.read() as connection:
            if times is None:
                times = self._times[board.id] = read_times(connection, board.id)
            found = []
            for item_id in suspects(times, mtime_ns):
                known = observations.find_item(connection, board.id, item_id)
                others = links.of_item(connection, board.id, item_id)
                # The same picture may have been pulled anew meanwhile: one item, two links.
                free = all(one.digest == digest for one in others)
                if free and known is not None and (known[0].width, known[0].height) == size:
                    found.append(known[0])
        return found
