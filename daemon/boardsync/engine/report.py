"""How the mirrors stand and what they did: status and history. Reads only; never lies.

Everything is told as plain values that JSON can hold. Names become text: bytes that are no
UTF-8 show as escapes.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from boardsync.config.model import MirrorSettings, Settings
from boardsync.config.named import require_known
from boardsync.engine.brake import resting
from boardsync.engine.clock import Clock, SystemClock
from boardsync.engine.double_words import tell_doubles
from boardsync.engine.index_standing import index_status
from boardsync.engine.room import find_shortage
from boardsync.state import (
    failed_readings,
    holds,
    links,
    moves,
    observations,
    places,
    rot,
    runs,
    strayed,
    summary,
    transfers,
    trash,
)
from boardsync.state.database import State
from boardsync.state.moves import MoveRecord
from boardsync.state.records import LinkRecord, RunRecord, Tally
from boardsync.state.trash import TrashRecord

EXAMPLES = 10
UNDO = "undo of run"
RESTORE = "restored from the trash"
"""How the causes of runs begin that put things back, because a person asked."""


def show(name: bytes | str | None) -> str | None:
    """Return a path, or an item's id, as text; with escapes where it is none."""
    if isinstance(name, str):
        name = name.encode("utf-8", "surrogateescape")
    return None if name is None else name.decode("utf-8", "backslashreplace")


def status(
    settings: Settings, state: State | None, clock: Clock | None = None
) -> dict[str, Any]:  # fmt: skip
    """Tell how every mirror stands. state: None while there is none; the answer's shape is one."""
    clock = clock or SystemClock()
    if state is None:
        mirrors = [_never_run(one) for one in settings.mirrors]
    else:
        with state.read() as connection:
            mirrors = [_mirror_status(connection, settings, one, clock) for one in settings.mirrors]
    scanned = {one["mirror"]: one["scanned_ms"] for one in mirrors}
    index = index_status(settings, scanned)
    return {"state": str(settings.state), "mirrors": mirrors, "index": index}


def _never_run(settings: MirrorSettings) -> dict[str, Any]:
    told: dict[str, Any] = {
        "mirror": settings.name,
        "folder": str(settings.folder),
        "server": settings.server,
        "direction": settings.direction.value,
        "condition": "never run",
        "boards": [],
        "scanned_ms": None,
        "trouble": None,
        "trouble_since_ms": None,
        "errors": [],
        "refusals": [],
        "holds": [],
        "doubles": [],
        "rot": [],
        "strays": [],
        "trash_bytes": 0,
        "paused": None,
        "resting": None,
        "shortage": None,
    }
    return told | asdict(Tally())


def _mirror_status(
    connection: Connection, whole: Settings, settings: MirrorSettings, clock: Clock
) -> dict[str, Any]:
    told = _never_run(settings)
    pause, told["resting"] = resting(connection, whole, settings.id, settings.server, clock)
    told["paused"] = None if pause is None else asdict(pause)
    number = places.find_mirror(connection, settings.id)
    if number is None:
        return told
    tally = summary.tally(connection, number, settings.layout)
    trouble = places.trouble(connection, number)
    told |= asdict(tally)
    told["boards"] = [
        {"name": b.name, "id": b.server_id, "listed_ms": b.listed_ms,
         "missing_since_ms": b.missing_since_ms}
        for b in places.boards(connection, number)
    ]  # fmt: skip
    told["scanned_ms"] = places.scanned_ms(connection, number)
    told["trouble"] = trouble[0] if trouble else None
    told["trouble_since_ms"] = trouble[1] if trouble else None
    told["errors"] = _errors(connection, number)
    told["refusals"] = [
        {"path": show(f.path), "reason": f.refusal}
        for f in observations.refused_files(connection, number, EXAMPLES)
    ]
    told["holds"] = [
        {"hold": one.id, "side": one.side, "count": one.count, "since_ms": one.since_ms}
        for one in holds.open_holds(connection, [number])
    ]
    told["doubles"] = [
        {"path": show(one.path), "item": show(one.item_id), "board": one.board_name,
         "reason": one.reason}
        for one in tell_doubles(connection, settings, number)
    ]  # fmt: skip
    told["rot"] = [
        {"path": show(one.path), "noticed_ms": one.noticed_ms}
        for one in rot.of_mirror(connection, number, EXAMPLES)
    ]
    told["strays"] = [
        {"path": show(one.path), "item": show(one.item_id), "words": one.words,
         "noticed_ms": one.noticed_ms}
        for one in strayed.of_mirror(connection, number, EXAMPLES)
    ]  # fmt: skip
    told["trash_bytes"] = trash.count(connection, number)[1]
    if settings.direction.pulls and transfers.any_waiting(connection, number, transfers.DOWNLOADS):
        told["shortage"] = _shortage(whole, settings)
    told["condition"] = _condition(told, tally, trouble)
    return told


def _shortage(whole: Settings, settings: MirrorSettings) -> str | None:
    directory = settings.layout.pull_directory(b"")
    return find_shortage(os.fsencode(settings.folder), directory, whole.limits.free_disk)


def _errors(connection: Connection, number: int) -> list[dict[str, Any]]:
    """Tell the first transfers that fail, and the first files that cannot be read now."""
    failing = transfers.failing(connection, number, EXAMPLES)
    unread = failed_readings.of_mirror(connection, number, EXAMPLES)
    return [
        {"path": show(t.path), "item": show(t.item_id), "error": t.error, "attempts": t.attempts,
         "next_attempt_ms": t.not_before_ms}
        for t in failing
    ] + [
        {"path": show(one.path), "item": None, "error": one.reason, "attempts": one.attempts,
         "next_attempt_ms": one.next_ms}
        for one in unread
    ]  # fmt: skip


def _condition(
    told: dict[str, Any], tally: Tally, trouble: tuple[str, int] | None
) -> str:  # fmt: skip
    """Say it in one word: the worst that is true. While it is paused nobody looks for more."""
    if told["paused"]:
        return "paused"
    if trouble or told["shortage"]:
        return "waiting"
    if tally.held:
        return "held"
    if tally.failing:
        return "failing"
    if tally.waiting and told["resting"]:
        return "quiet"
    if tally.waiting or tally.settling or tally.unread or tally.unproven:
        return "working"
    # On one side only: what cannot be sent, and what was deleted on the other.
    lacking = tally.refused or tally.apart or tally.rotten or tally.strayed
    return "incomplete" if lacking else "synced"


def history(
    settings: Settings, state: State, mirror: str | None = None, limit: int = 20
) -> list[dict[str, Any]]:
    """Tell the newest runs, newest first. mirror: by name, or the id of a former one.

    Raises SettingsError for a stranger.
    """
    names = {one.id: one.name for one in settings.mirrors}
    with state.read() as connection:
        number = None
        if mirror is not None:
            key = next((one.id for one in settings.mirrors if one.name == mirror), mirror)
            number = places.find_mirror(connection, key)
            if number is None and key not in names:
                require_known("mirror", [mirror], list(names.values()))
            if number is None:
                return []
        found = runs.history(connection, number, limit)
        restored = trash.restored_by(connection, [run.id for run in found if puts_back(run)])
    return [
        asdict(run)
        | {"mirror": names.get(run.mirror, run.mirror), "restored": restored.get(run.id, 0)}
        for run in found
    ]


def run_details(state: State, number: int, limit: int = 1000) -> dict[str, Any] | None:
    """Tell what one run did, picture by picture."""
    with state.read() as connection:
        run = runs.find(connection, number)
        if run is None:
            return None
        made = links.of_run(connection, number, limit)
        changed = moves.of_run(connection, number)
        removed = [
            entry for state in (trash.TRASHED, trash.RESTORED, trash.PURGED)
            for entry in trash.of_run(connection, number, state)
        ]  # fmt: skip
    restored = puts_back(run) and sum(entry.state == trash.RESTORED for entry in removed)
    return asdict(run) | {
        "restored": int(restored),
        "links": [link_values(link) for link in made],
        "trash": [_removal_values(entry) for entry in removed[:limit]],
        "moves": [_move_values(move) for move in changed[:limit]],
    }


def puts_back(run: RunRecord) -> bool:
    """Tell whether a run takes things out of the trash, because a person asked."""
    return run.cause.startswith((UNDO, RESTORE))


def _removal_values(entry: TrashRecord) -> dict[str, Any]:
    """Return what a run put into the trash, or took out of it, as it is told."""
    return {
        "id": entry.id, "side": entry.side, "state": entry.state, "path": show(entry.path),
        "item_id": show(entry.item_id), "reason": entry.reason,
    }  # fmt: skip


def _move_values(move: MoveRecord) -> dict[str, Any]:
    """Return what a run moved as it is told."""
    return {
        "what": move.what, "state": move.state, "before": show(move.path_before),
        "after": show(move.path_after), "item_before": show(move.item_before),
        "item_after": show(move.item_after),
    }  # fmt: skip


def link_values(link: LinkRecord) -> dict[str, Any]:
    """Return a link as it is told."""
    return asdict(link) | {"path": show(link.path), "item_id": show(link.item_id)}
