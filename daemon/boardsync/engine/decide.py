"""Brings the cases of one mirror before the planner. Writes nothing.

The only place where the planner meets the state. A plan that is only shown ends here; a run
goes on to `record`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy import Connection

from boardsync.engine.context import Mirror
from boardsync.engine.decide_links import Parting, decide_links
from boardsync.engine.pulled_before import is_awaited, suspected_items, unhashed_items
from boardsync.files.durable import settle_name
from boardsync.files.origin import Origin, read_origin
from boardsync.local.listed import Listed
from boardsync.model import Action, ActionKind, LinkState
from boardsync.plan.cases import AWAITED, FileCase, decide_file, decide_item
from boardsync.plan.layout import Layout
from boardsync.state import (
    cases,
    links,
    observations,
)
from boardsync.state.records import BoardRecord

log = structlog.get_logger(__name__)

Boards = dict[bytes, BoardRecord]
OpenFiles = list[tuple[bytes, str]]

CHUNK = 500


@dataclass(slots=True)
class Plan:
    """What one decision asks for.

    partings: links whose missing side is not made again. held: by side, removals that wait for
    consent, and why. judged: the sides whose removals were all looked at, so that a hold that
    names more can let go. unsure: links that time, or another look, will decide.
    links_changed: how often links had changed when it was made.
    blocked: by reason, files whose board cannot be written to. vanished: paths that are not there
    although nobody has looked yet: what they held may have been moved.
    """

    actions: list[tuple[int, Action]] = field(default_factory=list)
    partings: list[Parting] = field(default_factory=list)
    held: dict[str, tuple[list[tuple[int, Action]], str]] = field(default_factory=dict)
    judged: bool = False
    unsure: int = 0
    links_changed: int = 0
    blocked: dict[str, int] = field(default_factory=dict)
    vanished: list[bytes] = field(default_factory=list)
    leaving: int = 0


def decide(
    mirror: Mirror, boards: Boards, search: dict[int, set[str]], paths: Sequence[bytes] | None,
    fetching: Collection[bytes],
) -> Plan:  # fmt: skip
    """Decide what the mirror needs, from what was observed. Writes nothing.

    boards: by subfolder, those whose listing was seen. search: for boards where `pull.search`
    is set, the items that match. paths: only these files, and no items; None for everything.
    fetching: subfolders that new items are fetched to.
    """
    with mirror.state.read() as connection:
        changed = links.changes(connection, mirror.number)
    found = decide_links(mirror, boards, everything=paths is None)
    plan = Plan(found.actions, found.partings, found.held, found.judged, found.waiting, changed)
    actions = [
        one for one in _file_actions(mirror, boards, search, plan, paths)
        if one[1].path not in found.claims
    ]  # fmt: skip
    if mirror.policy().one_item:
        actions = _joined(_without_those_that_move(plan, actions))
    plan.actions += actions
    if mirror.settings.direction.pulls and paths is None:
        linked: set[tuple[int, str | None]] = {
            (board, action.item_id) for board, action in plan.actions
            if action.kind in (ActionKind.LINK, ActionKind.DOWNLOAD)
        }  # fmt: skip
        with mirror.state.read() as connection:
            linked |= suspected_items(mirror, connection, plan.actions)
            unknown = unhashed_items(mirror, connection, boards)
        waiting = set()
        for subfolder, record in boards.items():
            if subfolder not in fetching:
                continue
            for one in _item_actions(mirror, record, search.get(record.id)):
                subject = (record.id, str(one.item_id))
                if subject in unknown:
                    waiting.add(unknown[subject])
                elif subject not in linked:
                    plan.actions.append((record.id, one))
        if waiting:
            _block(plan, "they still settle, and items may be what they are", len(waiting))
    return plan


def _file_actions(
    mirror: Mirror, boards: Boards, search: dict[int, set[str]], plan: Plan,
    paths: Sequence[bytes] | None,
) -> Iterator[tuple[int, Action]]:  # fmt: skip
    policy = mirror.policy()
    with mirror.state.read() as connection:
        for batch in _open_batches(connection, mirror, paths):
            for subfolder, files in _by_subfolder(mirror.layout, batch).items():
                board = boards.get(subfolder)
                if board is None:
                    pushed = [path for path, _ in files if not mirror.layout.is_pulled_area(path)]
                    if pushed:
                        _block(plan, "their board was not seen whole yet", len(pushed))
                    continue
                found = list(
                    cases.file_cases(connection, mirror.number, mirror.key, board.id, files)
                )
                matching = search.get(board.id)
                for case in _with_origins(mirror, connection, board, found, matching):
                    verdict = decide_file(mirror.key, case, policy)
                    action = verdict.action
                    if verdict.reason == AWAITED:
                        _block(plan, "items that come down may be what they are", 1)
                    if action is not None and not _may_be_moved(
                        mirror, connection, plan, case, action
                    ):
                        yield (
                            board.id,
                            replace(action, board_id=board.server_id, subfolder=subfolder),
                        )


def _without_those_that_move(
    plan: Plan, actions: list[tuple[int, Action]]
) -> list[tuple[int, Action]]:
    """Leave out files whose picture comes to their board with an item that moves there."""
    moving = {(board, one.token) for board, one in plan.actions if one.kind is ActionKind.MOVE_ITEM}
    left = [
        (board, one) for board, one in actions
        if one.kind is not ActionKind.UPLOAD or (board, one.token) not in moving
    ]  # fmt: skip
    if len(left) < len(actions):
        words = "an item with the same picture is to move to their board"
        _block(plan, words, len(actions) - len(left))
    return left


def _joined(actions: list[tuple[int, Action]]) -> list[tuple[int, Action]]:
    """Let files that would be sent be linked with one of the same picture that is found there."""
    found = {(board, one.digest): one for board, one in actions if one.kind is ActionKind.LINK}
    return [(board, _linked_with(one, found.get((board, one.digest)))) for board, one in actions]


def _linked_with(action: Action, other: Action | None) -> Action:
    if action.kind is not ActionKind.UPLOAD or action.item_id or other is None:
        return action
    name = (other.path or b"").decode("utf-8", "backslashreplace")
    return replace(
        action, kind=ActionKind.LINK, item_id=other.item_id, version=other.version,
        reason=f"the same picture as {name}, which is on the board",
    )  # fmt: skip


def _may_be_moved(
    mirror: Mirror, connection: Connection, plan: Plan, case: FileCase, action: Action
) -> bool:  # fmt: skip
    """Tell whether a file to be sent may be a linked one under a new name, and note the old.

    The kernel tells of both names, in any order, or of one. On another board, and where each
    path has an item of its own, sending it would leave two.
    """
    if action.kind is not ActionKind.UPLOAD:
        return False
    here = () if mirror.policy().one_item else case.of_digest
    paths = [one.path for one in (*case.elsewhere, *here) if one.state is LinkState.AGREED]
    names = Listed(mirror.root, mirror.disk)
    vanished = [
        path for path in paths
        if observations.find_file(connection, mirror.number, path) is not None
        and mirror.rules().verdict(path, False) is None
        and not names.holds(path)
    ]  # fmt: skip
    plan.vanished += vanished
    if vanished:
        _block(plan, "they may be others that were moved", 1)
    return bool(vanished)


def _with_origins(
    mirror: Mirror, connection: Connection, board: BoardRecord, found: list[FileCase],
    matching: Collection[str] | None,
) -> Iterator[FileCase]:  # fmt: skip
    """Add to files that nothing else is known of what they say themselves of their origin."""
    layout, durable = mirror.layout, set[bytes]()
    pulls, pushes = mirror.settings.direction.pulls, mirror.settings.direction.pushes
    told = {
        case.path: origin for case in found
        if not (case.of_path or case.own)
        and (origin := _origin(mirror, case)) is not None
    }  # fmt: skip
    ids = [one.item_id for one in told.values()]
    items = cases.unlinked_items(connection, board.id, ids) if ids else {}
    for case in found:
        said = told.get(case.path)
        item = items.pop(said.item_id, None) if said is not None else None
        changed = said is not None and item is not None and item.version != said.version
        if changed and not _is_from(said, mirror, board):
            item, changed = None, False  # where names are ids, this may be another picture's
        if item is not None and not _settled(mirror, case.path, durable):
            continue
        awaited = (
            pulls and item is None and bool(case.of_digest)
            and is_awaited(mirror, connection, board, case, matching)
        )  # fmt: skip
        pulled = not pushes or layout.is_pulled_area(case.path)
        yield replace(
            case, origin=item, origin_changed=changed, pulled=pulled, awaited=awaited
        )  # fmt: skip


def _settled(mirror: Mirror, path: bytes, durable: set[bytes]) -> bool:
    """Make durable that a file is found that is about to be linked; tell whether it is now.

    durable: directories of which it is known; this one is added.
    """
    directory = os.path.dirname(path)
    if directory not in durable:
        try:
            settle_name(mirror.absolute(path), mirror.root, mirror.disk)
        except OSError as error:
            log.warning("cannot be made durable yet", path=path, error=error.strerror)
            return False
        durable.add(directory)
    return True


def _is_from(origin: Origin | None, mirror: Mirror, board: BoardRecord) -> bool:
    """Tell whether a file says that this mirror pulled it from this board."""
    told = None if origin is None else (origin.mirror, origin.board)
    return told == (mirror.key, board.server_id or "")


def _origin(mirror: Mirror, case: FileCase) -> Origin | None:
    return read_origin(mirror.absolute(case.path), case.digest, mirror.disk)


def _open_batches(
    connection: Connection, mirror: Mirror, paths: Sequence[bytes] | None
) -> Iterator[OpenFiles]:
    number, layout = mirror.number, mirror.layout
    if paths is not None:
        for start in range(0, len(paths), CHUNK):
            yield cases.open_among(connection, number, layout, paths[start : start + CHUNK])
        return
    after = b""
    while batch := cases.open_files(connection, number, layout, CHUNK, after):
        after = batch[-1][0]
        yield batch


def _by_subfolder(layout: Layout, batch: OpenFiles) -> dict[bytes, OpenFiles]:
    """Group files by the board they belong to."""
    groups: dict[bytes, OpenFiles] = {}
    for path, digest in batch:
        groups.setdefault(layout.subfolder_of(path), []).append((path, digest))
    return groups


def _item_actions(
    mirror: Mirror, board: BoardRecord, matching: set[str] | None
) -> Iterator[Action]:
    after, policy = "", mirror.pull_policy()
    with mirror.state.read() as connection:
        while batch := cases.open_items(connection, board.id, CHUNK, after):
            after = batch[-1].item_id
            for case in batch:
                if matching is not None:
                    case = replace(case, matches=case.item_id in matching)
                action = decide_item(mirror.key, case, policy).action
                if action is not None:
                    yield replace(action, board_id=board.server_id, subfolder=board.subfolder)


def _block(plan: Plan, reason: str, count: int) -> None:
    plan.blocked[reason] = plan.blocked.get(reason, 0) + count
