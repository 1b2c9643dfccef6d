"""Tells whether a file that is to be sent was pulled from its board once.

Links say that, and where they are lost with the state, the file's own attribute does. Where the
filesystem keeps none, its time is left: a pulled file has the time at which its item was made.
What has the time and the size of an item is compared with it, byte by byte.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from io import BytesIO

from sqlalchemy import Connection

from boardsync.engine.context import Mirror, Times
from boardsync.errors import FileChanging, Missing
from boardsync.files.snapshot import Snapshot
from boardsync.model import Action, ActionKind, Item
from boardsync.plan.cases import FileCase, decide_item
from boardsync.state import cases, items_seen, links, observations, transfers
from boardsync.state.records import BoardRecord

COARSE_MS = 2000
"""Some filesystems keep whole seconds, or even ones."""
FINE_MS = 10
"""And some hundredths."""


def suspects(times: Times, mtime_ns: int) -> list[str]:
    """Return the items that a file may have been pulled from, told from its time.

    A pulled file is given whole milliseconds, which hardly any other file has.
    """
    moment, rest = divmod(mtime_ns, 1_000_000)
    if rest:
        return []
    near = 0 if moment % 10 else FINE_MS if moment % 1000 else COARSE_MS
    seconds = range((moment - near) // 1000, (moment + near) // 1000 + 1)
    made = [one for second in seconds for one in times.get(second, ())]
    return [item_id for item_id, created_ms in made if abs(created_ms - moment) <= near]


def times_of(mirror: Mirror, connection: Connection, board: int) -> Times:
    """Return when the items were made that nothing was linked to when a board was first asked for.

    What appears later was not pulled before a state was lost: links tell of it.
    """
    if board not in mirror.unlinked:
        times: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
        for item_id, created_ms in cases.unlinked_times(connection, board):
            times[created_ms // 1000].append((item_id, created_ms))
        mirror.unlinked[board] = dict(times)
    return mirror.unlinked[board]


def unhashed_items(
    mirror: Mirror, connection: Connection, boards: Mapping[bytes, BoardRecord]
) -> dict[tuple[int, str], bytes]:
    """Return, by board and item, a file that the item may be and whose bytes are not known yet.

    boards: by subfolder.
    """
    if not any(times_of(mirror, connection, board.id) for board in boards.values()):
        return {}
    found: dict[tuple[int, str], bytes] = {}
    for path, mtime_ns in observations.unhashed_times(connection, mirror.number):
        board = boards.get(mirror.layout.subfolder_of(path))
        if board is not None:
            made = suspects(times_of(mirror, connection, board.id), mtime_ns)
            found.update(((board.id, item_id), path) for item_id in made)
    return found


def suspected_items(
    mirror: Mirror, connection: Connection, planned: Iterable[tuple[int, Action]]
) -> set[tuple[int, str]]:
    """Return the items, with their boards, that files may be that are to be sent.

    They are not pulled before that was found out. planned: what is not recorded yet.
    """
    sending = transfers.upload_times(connection, mirror.number)
    for board, one in planned:
        if one.kind is ActionKind.UPLOAD and one.path and times_of(mirror, connection, board):
            file = observations.find_file(connection, mirror.number, one.path)
            sending += [] if file is None else [(board, file.mtime_ns)]
    found: set[tuple[int, str]] = set()
    for board, mtime_ns in sending:
        made = suspects(times_of(mirror, connection, board), mtime_ns)
        found.update((board, item_id) for item_id in made)
    return found


def is_awaited(
    mirror: Mirror, connection: Connection, board: BoardRecord, case: FileCase,
    matching: Collection[str] | None,
) -> bool:  # fmt: skip
    """Tell whether an item comes down that a file may have been pulled from, told from its time.

    Where a board has one picture twice, such a file is not taken for the other item's: this one
    would be fetched once more. matching: the items that the settings' search finds.
    """
    times = times_of(mirror, connection, board.id)
    file = observations.find_file(connection, mirror.number, case.path) if times else None
    made = [] if file is None else suspects(times, file.mtime_ns)
    free = list(cases.unlinked_items(connection, board.id, made)) if made else []
    if not free:
        return False
    policy = mirror.pull_policy()
    return cases.any_coming(connection, board.id, free) or any(
        (matching is None or one.item_id in matching)
        and decide_item(mirror.key, one, policy).action is not None
        for one in cases.open_items_among(connection, board.id, free)
    )


def file_pulled_before(
    mirror: Mirror, board: BoardRecord, item: Item, digest: str
) -> bytes | None:  # fmt: skip
    """Return a file that nothing is linked to and that an item's very bytes were pulled to once.

    It lies where pulled files go, or has the item's time: without the state, nothing else may be
    left to tell. Of several, the one with its time: the others may be other items'. digest: of the
    item's bytes.
    """
    layout, another = mirror.layout, None
    with mirror.state.read() as connection:
        for path in observations.paths_of_digest(connection, mirror.number, digest):
            if layout.subfolder_of(path) != board.subfolder:
                continue
            if links.has_picture(connection, mirror.number, path, digest, board.id):
                continue
            if transfers.is_busy(connection, mirror.number, path):
                continue
            file = observations.find_file(connection, mirror.number, path)
            if file is not None and _has_time_of(item, file.mtime_ns):
                return path
            if file is not None and another is None and layout.is_pulled_area(path):
                another = path
    return another


def _has_time_of(item: Item, mtime_ns: int) -> bool:
    if item.created_ms is None:
        return False
    return bool(suspects({item.created_ms // 1000: [(item.item_id, item.created_ms)]}, mtime_ns))


async def item_pulled_from(
    mirror: Mirror, board: BoardRecord, snapshot: Snapshot, size: tuple[int, int]
) -> Item | None:
    """Return the item that holds a file's very bytes, if the file's time speaks for one.

    size: width and height in pixels. Raises as a download does.
    """
    if not mirror.settings.direction.pulls:
        return None
    with mirror.state.read() as connection:
        times = times_of(mirror, connection, board.id)
        made = suspects(times, snapshot.stat.mtime_ns)
        candidates = [
            item for item_id in made
            if (item := _candidate(connection, board, item_id, snapshot.digest)) is not None
            and (item.width, item.height) in (size, (None, None))
            and item.size in (len(snapshot.content), None)
        ]  # fmt: skip
    for item in candidates:
        try:
            found = await mirror.server.download(item, BytesIO())
        except (Missing, FileChanging):
            continue
        if found.digest == snapshot.digest:
            return item
    if made:
        mirror.hints.boards("an item is not what a file was pulled from")
    return None


def _candidate(
    connection: Connection, board: BoardRecord, item_id: str, digest: str
) -> Item | None:  # fmt: skip
    """Return an item that nothing is linked to, or only the same picture.

    That one may have been pulled anew meanwhile: one item, two links.
    """
    known = items_seen.find_item(connection, board.id, item_id)
    others = links.of_item(connection, board.id, item_id)
    free = all(one.digest == digest for one in others)
    return known[0] if free and known is not None else None
