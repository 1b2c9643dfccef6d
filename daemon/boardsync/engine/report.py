"""What a person or a program wants to know: status, why, history. Reads only; never lies.

Everything is told as plain values that JSON can hold. Paths become text: undecodable bytes
show as escapes.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from boardsync.config.model import MirrorSettings, Settings
from boardsync.state import links, observations, places, runs, summary, transfers
from boardsync.state.database import State
from boardsync.state.records import Tally

EXAMPLES = 10


def show(path: bytes | None) -> str | None:
    """Return a path as text, with escapes where it is none."""
    return None if path is None else path.decode("utf-8", "backslashreplace")


def status(settings: Settings, state: State | None) -> dict[str, Any]:
    """Tell how every mirror stands. state: None while there is none; the answer's shape is one."""
    if state is None:
        mirrors = [_never_run(one) for one in settings.mirrors]
    else:
        with state.read() as connection:
            mirrors = [_mirror_status(connection, one) for one in settings.mirrors]
    return {"state": str(settings.state), "mirrors": mirrors}


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
    }
    return told | asdict(Tally())


def _mirror_status(connection: Connection, settings: MirrorSettings) -> dict[str, Any]:
    number = places.find_mirror(connection, settings.id)
    told = _never_run(settings)
    if number is None:
        return told
    tally = summary.tally(connection, number)
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
    told["condition"] = _condition(tally, trouble)
    return told


def _errors(connection: Connection, number: int) -> list[dict[str, Any]]:
    failing = [t for t in transfers.waiting(connection, [number]) if t.error]
    return [
        {"path": show(t.path), "item": t.item_id, "error": t.error, "attempts": t.attempts,
         "next_attempt_ms": t.not_before_ms}
        for t in failing[:EXAMPLES]
    ]  # fmt: skip


def _condition(tally: Any, trouble: tuple[str, int] | None) -> str:
    """Say it in one word: the worst that is true."""
    if trouble:
        return "waiting"
    if tally.failing:
        return "failing"
    if tally.waiting or tally.settling or tally.unread:
        return "working"
    return "synced"


def why(settings: Settings, state: State, subject: str) -> list[dict[str, Any]]:
    """Tell everything that is known of a file (a path) or an item (its id), in every mirror."""
    told = []
    with state.read() as connection:
        for mirror in settings.mirrors:
            number = places.find_mirror(connection, mirror.id)
            if number is None:
                continue
            path = _relative(mirror, subject)
            if path is not None:
                told += _why_file(connection, mirror, number, path)
            for board in places.boards(connection, number):
                told += _why_item(connection, mirror, board.id, board.name, subject)
    return told


def _relative(mirror: MirrorSettings, subject: str) -> bytes | None:
    """Return a subject as a path below the mirror's folder, if it can be one."""
    raw, root = os.fsencode(subject), os.fsencode(mirror.folder)
    if not os.path.isabs(raw):
        here = os.path.abspath(raw)
        if here.startswith(root + b"/") and os.path.lexists(here):
            return here[len(root) + 1 :]
        return os.path.normpath(raw)
    normal = os.path.normpath(raw)
    return normal[len(root) + 1 :] if normal.startswith(root + b"/") else None


def _why_file(
    connection: Connection, mirror: MirrorSettings, number: int, path: bytes
) -> list[dict[str, Any]]:
    file = observations.find_file(connection, number, path)
    known = links.of_path(connection, number, path)
    moving = transfers.of_path(connection, number, path)
    if file is None and not known and not moving:
        return []
    told: dict[str, Any] = {
        "mirror": mirror.name,
        "path": show(path),
        "observation": None if file is None else _file_values(file),
        "links": [_link_values(link) for link in known],
        "transfers": [_transfer_values(one) for one in moving],
    }
    told["verdict"] = _file_verdict(connection, number, file, known, moving)
    return [told]


def _file_verdict(connection: Connection, number: int, file: Any, known: Any, moving: Any) -> str:
    """Say in a sentence why the file is in the state it is in."""
    if file is None:
        return "not in the folder (any more); its links are kept"
    if file.refusal:
        return f"not sent: {file.refusal}"
    if file.hashed_ns is None:
        return "settling: new or changed, and looked at when it has been quiet for a while"
    live = [one for one in moving if one.state not in transfers.FINAL]
    if live:
        error = f"; last error: {live[0].error}" if live[0].error else ""
        return f"waiting to be sent: {live[0].reason}{error}"
    here = [link for link in known if link.digest == file.digest]
    for link in here:
        if link.state == "agreed":
            there = observations.find_item(connection, link.board, link.item_id)
            if there is None:
                return f"linked to item {link.item_id}, which the last listing did not show"
            return f"synced: it is item {link.item_id}"
        return f"{link.state}: linked to item {link.item_id}; left alone"
    for link in links.of_digest(connection, number, file.digest or ""):
        if link.state in ("item-gone", "undone"):
            return f"left alone: the same picture as {show(link.path)}, whose link is {link.state}"
    return "not sent yet: the next pass decides"


def _why_item(
    connection: Connection, mirror: MirrorSettings, board: int, board_name: str, subject: str
) -> list[dict[str, Any]]:
    found = observations.find_item(connection, board, subject)
    known = links.of_item(connection, board, subject)
    moving = transfers.of_item(connection, board, subject)
    if found is None and not known and not moving:
        return []
    item, mark = found if found is not None else (None, None)
    verdict = "not on the board (any more)"
    if known:
        verdict = f"{known[0].state}: it is {show(known[0].path)}"
    elif moving:
        verdict = f"{moving[0].state.value}: {moving[0].error or moving[0].reason}"
    elif item is not None:
        verdict = "not pulled: see the mirror's `pull` settings" if mark is None else "has our mark"
    return [
        {
            "mirror": mirror.name,
            "board": board_name,
            "item": subject,
            "observation": None if item is None else asdict(item),
            "mark": None if mark is None else asdict(mark),
            "links": [_link_values(link) for link in known],
            "transfers": [_transfer_values(one) for one in moving],
            "verdict": verdict,
        }
    ]


def _file_values(file: Any) -> dict[str, Any]:
    return asdict(file) | {"path": show(file.path)}


def _link_values(link: Any) -> dict[str, Any]:
    return asdict(link) | {"path": show(link.path)}


def _transfer_values(transfer: Any) -> dict[str, Any]:
    keys = ("kind", "state", "reason", "attempts", "error", "error_class", "not_before_ms")
    return {key: getattr(transfer, key) for key in keys}


def history(
    settings: Settings, state: State, mirror: str | None = None, limit: int = 20
) -> list[dict[str, Any]]:
    """Tell the newest runs, newest first. mirror: by name."""
    names = {one.id: one.name for one in settings.mirrors}
    with state.read() as connection:
        number = None
        if mirror is not None:
            key = next((one.id for one in settings.mirrors if one.name == mirror), mirror)
            number = places.find_mirror(connection, key)
            if number is None:
                return []
        found = runs.history(connection, number, limit)
    return [asdict(run) | {"mirror": names.get(run.mirror, run.mirror)} for run in found]


def run_details(state: State, number: int, limit: int = 1000) -> dict[str, Any] | None:
    """Tell what one run did, picture by picture."""
    with state.read() as connection:
        run = runs.find(connection, number)
        made = links.of_run(connection, number, limit) if run is not None else []
    if run is None:
        return None
    return asdict(run) | {"links": [_link_values(link) for link in made]}
