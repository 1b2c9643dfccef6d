"""`boardsync undo`: puts both sides back to before a run, as far as they still allow.

What the run sent or fetched goes to the trash and is not made again; what it put into the trash
comes back; what it moved goes back to where it was. An undo is itself a run, so it can be undone.
It can be repeated after a kill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from boardsync.engine.assembly import Assembly
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.move_back import MoveBack
from boardsync.engine.report import UNDO, puts_back
from boardsync.engine.told import Told, each, tell
from boardsync.engine.trash_can import restore_entries
from boardsync.engine.withdraw import Brought, Withdrawer
from boardsync.errors import SettingsError
from boardsync.model import LinkState
from boardsync.state import links, moves, runs, transfers, trash
from boardsync.state.moves import MoveRecord
from boardsync.state.records import LinkRecord, RunRecord
from boardsync.state.trash import TrashRecord

MOST_LINKS = 1_000_000
_UNDONE = LinkState.UNDONE.value
_ENDED = (trash.TRASHED, trash.PURGED)


@dataclass(slots=True)
class Work:
    """What there is to put back. remarks: what an undo leaves as it is, in words."""

    items: list[Brought] = field(default_factory=list)
    files: list[Brought] = field(default_factory=list)
    entries: list[TrashRecord] = field(default_factory=list)
    moves: list[MoveRecord] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        return not (self.items or self.files or self.entries or self.moves)


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did. run: its own number, None when there was nothing to put back."""

    mirror: str
    run: int | None
    told: list[Told]
    remarks: list[str]


async def undo(assembly: Assembly, number: int) -> Undone:
    """Put both sides back to before a run. Raises SettingsError when there is no such run."""
    mirror, run = _run_of(assembly, number)
    work = await asyncio.to_thread(_work, mirror, run)
    if work.nothing:
        return Undone(mirror.name, None, [], work.remarks)
    cause = f"{UNDO} {number}"
    own = await mirror.state.write(
        partial(
            runs.begin, mirror_number=mirror.number, cause=cause, now_ms=now_ms(mirror.clock)
        )
    )  # fmt: skip
    withdrawer = Withdrawer(mirror, own, cause)
    told = await each(
        work.items, lambda one: tell(mirror, one.path, withdrawer.item(one)),
        mirror.server.capabilities.changes_at_once,
    )  # fmt: skip
    told += await each(work.files, lambda one: tell(mirror, one.path, withdrawer.file(one)))
    # Last: what was in the way of an old picture is gone by now.
    told += await restore_entries(mirror, work.entries, own)
    back = MoveBack(mirror, own)
    for one in work.moves:  # one by one: each may free the name of the next
        told += await each([one], lambda move: tell(mirror, move.path_after, back.put_back(move)))
    return Undone(mirror.name, own, told, work.remarks)


def _run_of(assembly: Assembly, number: int) -> tuple[Mirror, RunRecord]:
    with assembly.state.read() as connection:
        run = runs.find(connection, number)
    if run is None:
        raise SettingsError(f"there is no run {number} in the history")
    mirror = next((one for one in assembly.mirrors if one.key == run.mirror), None)
    if mirror is None:
        raise SettingsError(
            f"run {number} was one of mirror {run.mirror!r}, which is not in the settings any more"
        )
    return mirror, run


def _work(mirror: Mirror, run: RunRecord) -> Work:
    """Gather what a run did that is not undone yet."""
    work = Work()
    with mirror.state.read() as connection:
        # Numbers can be used again when the whole history was forgotten.
        made = [
            one for one in links.of_run(connection, run.id, MOST_LINKS)
            if one.since_ms >= run.started_ms
        ]  # fmt: skip
        sent = _by_item(one for one in made if one.made == "push")
        _join_found(sent, made)
        work.items = [_brought(group) for group in sent.values()]
        work.files = [_brought((one,)) for one in made if one.made == "pull"]
        work.remarks = _remarks(connection, mirror, run, work)
        for entry in trash.of_run(connection, run.id, trash.RESTORED) if puts_back(run) else ():
            chosen = work.items if entry.side == trash.ITEM else work.files
            chosen.append(_restored(connection, entry))
        _drop_what_is_away(connection, mirror, work)
        work.entries = trash.of_run(connection, run.id)
        work.moves = moves.of_run(connection, run.id, (moves.UNDOING, moves.DONE))[::-1]
    return work


def _by_item(made: Iterable[LinkRecord]) -> dict[tuple[int, str], tuple[LinkRecord, ...]]:
    """Group links: one item can have several files."""
    groups: dict[tuple[int, str], tuple[LinkRecord, ...]] = {}
    for one in made:
        key = (one.board, one.item_id)
        groups[key] = (*groups.get(key, ()), one)
    return groups


def _join_found(
    sent: dict[tuple[int, str], tuple[LinkRecord, ...]], made: Iterable[LinkRecord]
) -> None:
    """Add other files that the same run linked to what it sent."""
    for one in made:
        key = (one.board, one.item_id)
        if one.made == "found" and key in sent:
            sent[key] = (*sent[key], one)


def _brought(made: tuple[LinkRecord, ...]) -> Brought:
    first = made[0]
    return Brought(first.path, first.digest, first.board, first.item_id, first.version, made)


def _restored(c: Connection, entry: TrashRecord) -> Brought:
    """Return what a run took out of the trash: an undo, or a person."""
    path, item_id = entry.path or b"", str(entry.item_id)
    if entry.side == trash.ITEM:
        found = links.of_item(c, entry.board, item_id)
        known = [link for link in found if link.version == entry.version]
    else:
        known = links.of_path(c, entry.mirror, path)
    # What was put in step since then is a later run's.
    same = [
        link for link in known
        if link.digest == (entry.digest or link.digest)
        and (link.state != LinkState.AGREED.value or link.since_ms == entry.updated_ms)
    ]  # fmt: skip
    digest = entry.digest or next((link.digest for link in same), None)
    return Brought(path, digest, entry.board, item_id, entry.version, tuple(same))


def _drop_what_is_away(c: Connection, mirror: Mirror, work: Work) -> None:
    """Leave out what is in the trash already: an earlier undo, or a later run, put it there."""
    items = [one for one in work.items if not _is_in_trash(c, mirror, one, trash.ITEM)]
    files = [one for one in work.files if not _is_in_trash(c, mirror, one, trash.FILE)]
    away = len(work.items) + len(work.files) - len(items) - len(files)
    if away:
        work.remarks.append(f"in the trash already, or deleted from there: {away}")
    work.items, work.files = items, files


def _is_in_trash(c: Connection, mirror: Mirror, one: Brought, side: str) -> bool:
    entries = [entry for link in one.links for entry in trash.of_link(c, link.id, _ENDED)]
    return any(
        entry.side == side and entry.digest == one.digest and _is_away(mirror, entry)
        for entry in entries
    )


def _is_away(mirror: Mirror, entry: TrashRecord) -> bool:
    """Tell whether a recorded removal came true: a file's place is recorded before it goes."""
    if entry.side == trash.ITEM or entry.state == trash.PURGED:
        return True
    return entry.place is not None and mirror.disk.lexists(entry.place)


def _remarks(c: Connection, mirror: Mirror, run: RunRecord, work: Work) -> list[str]:
    """Say what an undo of this run leaves as it is."""
    later = max(0, run.uploaded - len(work.items)) + max(0, run.downloaded - len(work.files))
    waiting = [one for one in transfers.waiting(c, [mirror.number]) if one.run == run.id]
    told = {
        "renamed by somebody, or set aside for a conflict, and left so": (
            max(0, run.moved - len(moves.of_run(c, run.id)))
        ),
        "only linked, since both sides had it; stays linked": run.linked,
        "linked anew or forgotten since, and left as it is": later,
        "removed, and deleted from the trash for good since": len(
            trash.of_run(c, run.id, trash.PURGED)
        ),
        "still on its way, and not taken back; repeat this when it has arrived": len(waiting),
    }
    return [f"{words}: {count}" for words, count in told.items() if count]
