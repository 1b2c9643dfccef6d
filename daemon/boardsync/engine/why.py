"""Why a file or an item is in the state it is in: everything known of it, and a sentence."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from boardsync.config.model import MirrorSettings, Settings
from boardsync.engine.action_words import OF_FILES, OF_ITEMS, waiting_words
from boardsync.engine.brake import resting
from boardsync.engine.clock import Clock, SystemClock
from boardsync.engine.double_words import tell_doubles
from boardsync.engine.preparing import is_prepared
from boardsync.engine.report import link_values, show
from boardsync.engine.subject import path_below
from boardsync.errors import BoardsyncError
from boardsync.local.ignore import Rules
from boardsync.local.root import read_ignore_file
from boardsync.model import Item, Mark
from boardsync.plan.cases import ItemCase, PullPolicy, decide_item
from boardsync.state import (
    failed_readings,
    items_seen,
    links,
    observations,
    places,
    rot,
    strayed,
    transfers,
)
from boardsync.state.database import State
from boardsync.state.records import BoardRecord, FileRecord, LinkRecord, TransferRecord


def why(
    settings: Settings, state: State, subject: str, here: str | None = None,
    clock: Clock | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Tell everything that is known of a file (a path) or an item (its id), in every mirror.

    here: the folder that a relative path may start from, besides the mirror's.
    """
    told: list[dict[str, Any]] = []
    clock = clock or SystemClock()
    with state.read() as connection:
        for mirror in settings.mirrors:
            number = places.find_mirror(connection, mirror.id)
            if number is None:
                continue
            found: list[dict[str, Any]] = []
            path = path_below(os.fsencode(mirror.folder), subject, here)
            if path is not None and path not in (b".", b"..") and not path.startswith(b"../"):
                found += _why_file(connection, mirror, number, path)
            for board in places.boards(connection, number):
                found += _why_item(connection, mirror, board, subject)
            if found:
                _, words = resting(connection, settings, mirror.id, mirror.server, clock)
                told += [one | {"resting": words} for one in found]
    return told


def _why_file(
    connection: Connection, mirror: MirrorSettings, number: int, path: bytes
) -> list[dict[str, Any]]:
    file = observations.find_file(connection, number, path)
    known = links.of_path(connection, number, path)
    moving = transfers.of_path(connection, number, path)
    ignored = _ignored(mirror, path)
    if file is None and not known and not moving and ignored is None:
        return []
    verdict: str | None = (
        ignored
        or waiting_words(moving, OF_FILES)
        or "not in the folder (any more); its links are kept"
    )
    if file is not None:
        verdict = (
            _verdict_before_links(connection, number, file)
            or waiting_words(moving, OF_FILES)
            or _verdict_of_rot(connection, number, path)
            or _verdict_of_links(connection, number, file, known)
        )
    return [
        {
            "mirror": mirror.name,
            "path": show(path),
            "observation": None if file is None else asdict(file) | {"path": show(path)},
            "links": [link_values(link) for link in known],
            "transfers": [_transfer_values(one) for one in moving],
            "verdict": verdict or _verdict_of_settings(mirror, path),
        }
    ]


def _ignored(mirror: MirrorSettings, path: bytes) -> str | None:
    """Name the rule that leaves alone a file that is there, if one does."""
    root = os.fsencode(mirror.folder)
    absolute = os.path.join(root, path)
    if not os.path.lexists(absolute):
        return None
    if os.path.islink(absolute):
        return "left alone: a symlink"
    try:
        content = read_ignore_file(root)
        rules = Rules(
            include=mirror.include, ignore=mirror.ignore, ignore_file=content, pull_into=None
        )
        found = rules.verdict(path, os.path.isdir(absolute))
    except BoardsyncError as error:
        return f"its rules cannot be read: {error}"
    return None if found is None else f"left alone: {found.rule}"


def _verdict_before_links(connection: Connection, number: int, file: FileRecord) -> str | None:
    """Say what keeps a file from being compared with its links, if anything."""
    if file.refusal:
        return f"not sent: {file.refusal}"
    if file.hashed_ns is not None:
        return None
    failed = failed_readings.find(connection, number, file.path)
    if failed is not None:
        times = "once" if failed.attempts == 1 else f"{failed.attempts} times"
        return f"{failed.reason}: it was tried {times}, and is tried again by itself"
    return (
        "settling: new or changed; it is read when it has been quiet for a while, or, if a program"
        " has it open for writing, once that closes it"
    )


def _verdict_of_rot(connection: Connection, number: int, path: bytes) -> str | None:
    if rot.find(connection, number, path) is None:
        return None
    return f"rotten: {rot.ROTTEN}, `boardsync mend` fetches its item"


def _verdict_of_links(
    connection: Connection, number: int, file: FileRecord, known: list[LinkRecord]
) -> str | None:
    """Say what the file's own links, and those of the same picture elsewhere, decide."""
    for link in known:
        if link.digest == file.digest:
            return _verdict_of_link(connection, link)
    for link in links.of_digest(connection, number, file.digest or ""):
        if link.state in ("item-gone", "undone"):
            return f"left alone: the same picture as {show(link.path)}, whose link is {link.state}"
    return None


def _verdict_of_link(connection: Connection, link: LinkRecord) -> str:
    item = show(link.item_id)
    found = items_seen.find_item(connection, link.board, link.item_id)
    if link.state == "item-gone" and found is not None and is_prepared(link.recipe):
        return f"left alone: what was made of it, item {item}, was changed on the board since"
    if link.state != "agreed":
        return f"{link.state}: linked to item {item}; left alone"
    if found is None:
        return f"apart: its item {item} is not on the board any more; `again` sends it anew"
    if found[0].version != link.version:
        return f"apart: its item {item} was changed on the board since"
    words = strayed.words_of(connection, link.id)
    if words is not None:
        return f"not as sent: it is item {item}, but {words}; {strayed.REMEDY}"
    how = f", prepared: {link.recipe}" if is_prepared(link.recipe) else ""
    return f"synced: it is item {item}{how}"


def _verdict_of_settings(mirror: MirrorSettings, path: bytes) -> str:
    """Say what the settings make of a file that nothing else is known of."""
    if not mirror.direction.pushes:
        return "not sent: this mirror only pulls"
    if mirror.layout.is_pulled_area(path):
        return (
            "not sent: it lies where pulled pictures go; no item is known that it was pulled from"
        )
    return "not sent yet: the next pass decides"


def _why_item(
    connection: Connection, mirror: MirrorSettings, board: BoardRecord, subject: str
) -> list[dict[str, Any]]:
    found = items_seen.find_item(connection, board.id, subject)
    known = links.of_item(connection, board.id, subject)
    moving = transfers.of_item(connection, board.id, subject)
    if found is None and not known and not moving:
        return []
    item, mark = found if found is not None else (None, None)
    waiting = waiting_words(moving, OF_ITEMS)
    verdict = "not on the board (any more)"
    if waiting is not None:
        verdict = waiting
    elif known:
        verdict = f"{known[0].state}: it is {show(known[0].path)}"
    elif moving:
        verdict = f"{moving[0].state.value}: {moving[0].error or moving[0].reason}"
    elif item is not None:
        verdict = _verdict_of_policy(mirror, item, mark)
    if mark is not None and mark.mirror == mirror.id:
        verdict = _double(connection, mirror, board, subject) or verdict
    return [
        {
            "mirror": mirror.name,
            "board": board.name,
            "item": show(subject),
            "observation": None if item is None else asdict(item) | {"item_id": show(subject)},
            "mark": None if mark is None else asdict(mark),
            "links": [link_values(link) for link in known],
            "transfers": [_transfer_values(one) for one in moving],
            "verdict": verdict,
        }
    ]


def _double(
    connection: Connection, mirror: MirrorSettings, board: BoardRecord, item_id: str
) -> str | None:
    """Say what an item is a double of, if it is one."""
    for one in tell_doubles(connection, mirror, board.mirror):
        if (one.board, one.item_id) == (board.id, item_id):
            return f"a double: {show(one.path)} is on the board as an older item; {one.reason}"
    return None


def _verdict_of_policy(mirror: MirrorSettings, item: Item, mark: Mark | None) -> str:
    """Say in the planner's own words why an item is pulled, or why not."""
    if not mirror.direction.pulls:
        return "not pulled: this mirror only pushes"
    case = ItemCase(
        item.item_id, item.version, mark, category=item.category, intermediate=item.intermediate,
        starred=item.starred, created_ms=item.created_ms,
    )  # fmt: skip
    verdict = decide_item(mirror.id, case, _policy(mirror, item))
    if verdict.action is None:
        return verdict.reason
    if mirror.pull.search is not None:
        return f"{verdict.reason}: pulled if it matches {mirror.pull.search!r}"
    return f"{verdict.reason}: the next pass fetches it"


def _policy(mirror: MirrorSettings, item: Item) -> PullPolicy:
    """Return what the mirror pulls. An item without a category is of a server without any."""
    pull = mirror.pull
    return PullPolicy(
        categories=None if item.category is None else frozenset(pull.categories),
        marked=pull.marked,
        starred_only=pull.starred_only,
        since_ms=None if pull.since is None else int(pull.since.timestamp() * 1000),
    )


def _transfer_values(transfer: TransferRecord) -> dict[str, Any]:
    keys = ("kind", "state", "reason", "attempts", "error", "error_class", "not_before_ms")
    return {key: getattr(transfer, key) for key in keys}
