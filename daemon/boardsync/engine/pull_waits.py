"""Downloads that should not begin, or not yet, told from what is here: no server is asked."""

from __future__ import annotations

import asyncio
import math
import os

import structlog

from boardsync.engine.attempt import postpone, put_back
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.room import find_shortage
from boardsync.errors import FolderAway
from boardsync.model import LinkState, TransferState
from boardsync.plan.backoff import delay_seconds
from boardsync.state import links, transfers
from boardsync.state.records import BoardRecord, TransferRecord

log = structlog.get_logger(__name__)

LONGEST_BLOCKED_SECONDS = 60.0
"""Between two looks whether what stands in the way is gone."""


async def wait_instead(
    mirror: Mirror, board: BoardRecord, transfer: TransferRecord, directory: bytes
) -> bool:
    """Put a download back that should not begin yet; tell whether.

    directory: where its file is to be, relative to the mirror's folder.
    """
    moment = now_ms(mirror.clock)
    later = _rests_until_ms(mirror, board, transfer, moment)
    if later > moment:
        await mirror.state.write(
            lambda c: transfers.change(c, transfer.id, moment, not_before_ms=later)
        )
        return True
    shortage, blocking = await asyncio.to_thread(_look_at_the_disk, mirror, directory)
    if (shortage is None) is not (mirror.brake.shortage is None):
        log.warning(shortage or "there is room for downloads again")
    mirror.brake.note_room(shortage)
    if shortage is not None:
        return True  # nothing of it is recorded: all downloads wait for the same
    if blocking is None:
        return False
    await _wait_for_room(mirror, transfer, blocking)
    return True


def is_overtaken(mirror: Mirror, board: BoardRecord, transfer: TransferRecord) -> bool:
    """Tell whether this version of the item was pulled since the transfer was planned."""
    with mirror.state.read() as connection:
        known = links.of_item(connection, board.id, str(transfer.item_id))
    return any(
        one.version == transfer.version and one.state == LinkState.AGREED.value for one in known
    )


def _rests_until_ms(
    mirror: Mirror, board: BoardRecord, transfer: TransferRecord, now: int
) -> int:  # fmt: skip
    """Return until when to leave an item alone that was pulled a moment ago and changed since.

    Each version that is pulled stays as a file: a picture that is written anew every second
    must not fill the disk.
    """
    with mirror.state.read() as connection:
        known = links.of_item(connection, board.id, str(transfer.item_id))
    # A date of the future is from before the clock was set back.
    last = max((one.since_ms for one in known if one.since_ms <= now), default=0)
    return last + math.ceil(mirror.settings.settle.rewrite * 1000)


def _look_at_the_disk(mirror: Mirror, directory: bytes) -> tuple[str | None, bytes | None]:
    """Return what is missing there, and what stands in the way."""
    shortage = find_shortage(mirror.root, directory, mirror.brake.floor, mirror.disk)
    return shortage, _file_in_the_way(mirror, directory)


def _file_in_the_way(mirror: Mirror, directory: bytes) -> bytes | None:
    """Return the first part of a directory's path that is there without being a directory."""
    path = mirror.root
    for part in directory.split(b"/"):
        path = os.path.join(path, part)
        if mirror.disk.lexists(path) and not mirror.disk.isdir(path):
            return path
    return None


async def _wait_for_room(mirror: Mirror, transfer: TransferRecord, blocking: bytes) -> None:
    """Record what stands in the way, and say it once."""
    error = FolderAway(
        f"{os.fsdecode(blocking)}: a file, where a folder is needed for pictures of the board;"
        " move or rename it"
    )
    attempts = transfer.attempts + 1
    wait = min(LONGEST_BLOCKED_SECONDS, delay_seconds(attempts, str(transfer.item_id)))
    if transfer.error == str(error):
        await put_back(mirror, transfer, error, TransferState.READY, wait, attempts=attempts)
    else:
        await postpone(mirror, transfer, error, TransferState.READY, seconds=wait)
