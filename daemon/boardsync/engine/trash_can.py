"""The trash, as a person and the timetable use it: what lies there, back with it, away with it.

Nothing is deleted for good without looking again: whether it is still there, is what was put
there, and is linked to nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from boardsync.config.model import MirrorSettings, Settings
from boardsync.config.named import require_known
from boardsync.engine.assembly import Assembly
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.kept_orphans import enter_orphans
from boardsync.engine.report import RESTORE, show
from boardsync.engine.restore import Restorer
from boardsync.engine.told import AT_ONCE, Told, each, require_folder, require_server, tell
from boardsync.errors import ItemMissing, Refused, TryAgain
from boardsync.state import links, places, runs, trash
from boardsync.state.database import State
from boardsync.state.trash import TrashRecord

log = structlog.get_logger(__name__)

DAY_SECONDS = 86_400.0
CHUNK = 500
PURGED_AT_ONCE = 4
_ENDED = {
    trash.RESTORED: "not in the trash any more: it was restored",
    trash.PURGED: "not in the trash any more: it was deleted for good",
}


def list_trash(
    settings: Settings, state: State | None, mirror: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Tell what lies in the trash: of each mirror how much, and the newest pictures.

    mirror: only this one's, by name. Raises SettingsError for a stranger.
    """
    if mirror is not None:
        require_known("mirror", [mirror], [one.name for one in settings.mirrors])
    chosen = [one for one in settings.mirrors if mirror in (None, one.name)]
    told: dict[str, Any] = {"mirrors": [], "trash": []}
    if state is None:
        return told
    for one in chosen:
        _list_mirror(told, state, one, limit)
    told["trash"] = sorted(told["trash"], key=lambda entry: -entry["id"])[:limit]
    return told


def _list_mirror(
    told: dict[str, Any], state: State, settings: MirrorSettings, limit: int
) -> None:  # fmt: skip
    with state.read() as connection:
        number = places.find_mirror(connection, settings.id)
        if number is None:
            return
        count, size = trash.count(connection, number)
        entries = trash.of_mirror(connection, number, limit)
        boards = {one.board: places.board_by_id(connection, one.board).name for one in entries}
    told["mirrors"].append({"mirror": settings.name, "count": count, "bytes": size})
    told["trash"] += [_entry_values(settings, one, boards[one.board]) for one in entries]


def _entry_values(settings: MirrorSettings, entry: TrashRecord, board: str) -> dict[str, Any]:
    keep = settings.trash.keep
    return {
        "id": entry.id,
        "mirror": settings.name,
        "side": entry.side,
        "path": show(entry.path),
        "board": board,
        "item": show(entry.item_id),
        "size": entry.size,
        "run": entry.run,
        "reason": entry.reason,
        "since_ms": entry.since_ms,
        "purged_from_ms": None if keep is None else entry.since_ms + int(keep * 1000),
        "place": show(entry.place),
        "error": entry.error,
    }


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry with its mirror."""

    mirror: Mirror
    entry: TrashRecord


async def restore(assembly: Assembly, numbers: Sequence[int]) -> list[Told]:
    """Bring back what entries hold, as one run for each mirror."""
    found, told = _find(assembly, numbers)
    for mirror in assembly.mirrors:
        entries = [one.entry for one in found if one.mirror is mirror]
        if not entries:
            continue
        moment = now_ms(assembly.clock)
        run = await assembly.state.write(
            partial(runs.begin, mirror_number=mirror.number, cause=RESTORE, now_ms=moment)
        )
        told += await restore_entries(mirror, entries, run)
    return told


async def restore_run(assembly: Assembly, run: int) -> list[Told]:
    """Bring back what a run put into the trash and what still lies there."""
    return await restore(assembly, _of_run(assembly, run))


async def restore_entries(
    mirror: Mirror, entries: Sequence[TrashRecord], run: int
) -> list[Told]:  # fmt: skip
    """Bring back entries of one mirror, in a run."""
    restorer = Restorer(mirror, run)
    told = []
    for side, at_once in (
        (trash.ITEM, mirror.server.capabilities.changes_at_once), (trash.FILE, AT_ONCE),
    ):  # fmt: skip
        some = [one for one in entries if one.side == side]
        told += await each(
            some, lambda one: tell(mirror, name_of(one), restorer.restore(one)), at_once
        )
    return told


async def purge(assembly: Assembly, numbers: Sequence[int]) -> list[Told]:
    """Delete for good what entries hold, after looking again."""
    found, told = _find(assembly, numbers)
    return told + await each(found, lambda one: _purge(one.mirror, one.entry), PURGED_AT_ONCE)


async def purge_run(assembly: Assembly, run: int) -> list[Told]:
    """Delete for good what a run put into the trash and what still lies there."""
    return await purge(assembly, _of_run(assembly, run))


def _of_run(assembly: Assembly, run: int) -> list[int]:
    with assembly.state.read() as connection:
        return [one.id for one in trash.of_run(connection, run)]


async def purge_expired(assembly: Assembly) -> bool:
    """Delete for good what has lain in the trash for longer than the settings keep it.

    What was saved before a deletion and is not in the trash is entered first: its time begins then.
    Returns whether all of it was looked at; what is kept all the same says why in the list.
    """
    whole, settings = True, assembly.settings
    moment = now_ms(assembly.clock)
    try:
        await asyncio.to_thread(enter_orphans, settings, assembly.state, moment, assembly.disk)
    except TryAgain as error:
        log.warning("what was saved before deletions cannot be looked at", error=str(error))
        whole = False
    for mirror in assembly.mirrors:
        keep = mirror.settings.trash.keep
        if keep is None:
            continue
        if mirror.brake.pause() is not None:
            whole = False
            continue
        before = now_ms(assembly.clock) - int(keep * 1000)
        told = await _purge_older(mirror, before)
        whole &= not any(one.later for one in told)
        deleted = sum(one.done for one in told)
        if deleted:
            log.info("deleted from the trash for good", mirror=mirror.name, pictures=deleted)
    return whole


def purge_seconds(settings: Settings) -> float:
    """Return how often to look for what has expired: daily, or as often as it can expire."""
    keeps = [one.trash.keep for one in settings.mirrors if one.trash.keep is not None]
    return min([DAY_SECONDS, *keeps])


async def _purge_older(mirror: Mirror, before_ms: int) -> list[Told]:
    told: list[Told] = []
    after = 0
    while True:
        with mirror.state.read() as connection:
            entries = trash.older_than(connection, mirror.number, before_ms, CHUNK, after)
        if not entries:
            return told
        after = entries[-1].id
        told += await each(entries, partial(_purge, mirror), PURGED_AT_ONCE)


async def _purge(mirror: Mirror, entry: TrashRecord) -> Told | None:
    """Delete one entry for good; why it is kept is recorded with it."""
    work: Callable[[Mirror, TrashRecord], Awaitable[bool]]
    work = _delete_item if entry.side == trash.ITEM else _delete_file
    told = await tell(mirror, name_of(entry), _deleted(mirror, entry, work))
    if told is not None and not told.done and told.words != entry.error:
        log.warning("kept in the trash", picture=told.picture, reason=told.words)
        moment = now_ms(mirror.clock)
        await mirror.state.write(
            lambda c: trash.change(c, entry.id, moment, error=told.words)
        )  # fmt: skip
    return told


async def _deleted(
    mirror: Mirror, entry: TrashRecord, work: Callable[[Mirror, TrashRecord], Awaitable[bool]]
) -> str:
    there = await work(mirror, entry)
    moment = now_ms(mirror.clock)
    await mirror.state.write(partial(_note_purged, number=entry.id, moment=moment))
    return "deleted for good" if there else "was not in the trash any more"


def _note_purged(c: Connection, number: int, moment: int) -> None:
    """Record the end of an entry, unless it was restored meanwhile."""
    found = trash.find(c, number)
    if found is not None and found.state == trash.TRASHED:
        trash.change(c, number, moment, state=trash.PURGED, error=None)


async def _delete_item(mirror: Mirror, entry: TrashRecord) -> bool:
    """Delete an item in the server's trash; False when it is not there any more."""
    require_server(mirror)
    trashed_id = str(entry.trashed_id)
    found = await mirror.server.in_trash(trashed_id)
    mirror.gate.worked()
    if found is None:
        return False
    if entry.version and found.version not in ("", entry.version):
        raise Refused("kept: it was changed after it was put into the trash")
    if found.starred:
        raise Refused("kept: it is starred on the server; take the star away first")
    with mirror.state.read() as connection:
        linked = links.is_linked(connection, entry.board, trashed_id)
    if linked:
        raise Refused("kept: it is in step with a file again")
    try:
        await mirror.server.purge(trashed_id)
    except ItemMissing:
        return False
    return True


async def _delete_file(mirror: Mirror, entry: TrashRecord) -> bool:
    """Delete a file in the local trash; False when it is not there any more."""
    place = entry.place or b""

    def delete() -> bool:
        require_folder(mirror)
        if not mirror.disk.lexists(place):
            return False
        if not mirror.trash.purge(place, str(entry.digest)):
            raise Refused(
                f"kept: {os.fsdecode(place)} is not the picture that was put there, or lies"
                f" outside the trash {os.fsdecode(mirror.trash.root)}"
            )
        return True

    return await asyncio.to_thread(delete)


def _find(assembly: Assembly, numbers: Sequence[int]) -> tuple[list[_Found], list[Told]]:
    """Find entries with their mirrors; tell about those that cannot be found."""
    mirrors = {mirror.number: mirror for mirror in assembly.mirrors}
    found, told = [], []
    with assembly.state.read() as connection:
        for number in dict.fromkeys(numbers):
            entry = trash.find(connection, number)
            if entry is None:
                words = "there is no such entry; `boardsync trash list` tells what there is"
                told.append(Told("-", f"entry {number}", done=False, words=words))
                continue
            mirror = mirrors.get(entry.mirror)
            if mirror is None:
                words = "its mirror is not in the settings any more"
                told.append(Told("-", name_of(entry), done=False, words=words))
            elif entry.state != trash.TRASHED:
                words = _ENDED[entry.state]
                told.append(Told(mirror.name, name_of(entry), done=False, words=words))
            else:
                found.append(_Found(mirror, entry))
    return found, told


def name_of(entry: TrashRecord) -> str:
    """Name what lies in the trash: by the path of its file, or by its item."""
    return show(entry.path) or show(entry.item_id) or f"entry {entry.id}"
