"""Brings the cases of one mirror before the planner and records what it decides.

The only place where the planner meets the state. A plan that is only shown stops after
`decide`; a run goes on to `record`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.decide_links import REMOVALS, Parting, decide_links
from boardsync.engine.pulled_before import suspected_items, unhashed_items
from boardsync.files.durable import settle_name
from boardsync.files.origin import Origin, read_origin
from boardsync.local.listed import Listed
from boardsync.model import Action, ActionKind, LinkState
from boardsync.plan.cases import FileCase, decide_file, decide_item
from boardsync.plan.layout import Layout
from boardsync.plan.links import Policy
from boardsync.state import (
    absence,
    cases,
    departures,
    holds,
    items_seen,
    links,
    observations,
    runs,
    transfers,
)
from boardsync.state.records import BoardRecord

log = structlog.get_logger(__name__)

Boards = dict[bytes, BoardRecord]
OpenFiles = list[tuple[bytes, str]]

CHUNK = 500
RECORDS_ONLY = frozenset({ActionKind.LINK, ActionKind.RELINK, ActionKind.FOLLOW})


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
    actions = _file_actions(mirror, boards, plan, paths)
    plan.actions += _joined(
        [one for one in actions if one[1].path not in found.claims], mirror.policy()
    )
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
    mirror: Mirror, boards: Boards, plan: Plan, paths: Sequence[bytes] | None
) -> Iterator[tuple[int, Action]]:
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
                found = cases.file_cases(connection, mirror.number, mirror.key, board.id, files)
                for case in _with_origins(mirror, connection, board, list(found)):
                    action = decide_file(mirror.key, case, policy).action
                    if action is not None and not _may_be_moved(
                        mirror, connection, plan, case, action
                    ):
                        yield (
                            board.id,
                            replace(action, board_id=board.server_id, subfolder=subfolder),
                        )


def _joined(actions: list[tuple[int, Action]], policy: Policy) -> list[tuple[int, Action]]:
    """Let files that would be sent be linked with one of the same picture that is found there."""
    if not policy.one_item:
        return actions
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
    mirror: Mirror, connection: Connection, board: BoardRecord, found: list[FileCase]
) -> Iterator[FileCase]:
    """Add to files that nothing else is known of what they say themselves of their origin."""
    layout, pushes, durable = mirror.layout, mirror.settings.direction.pushes, set[bytes]()
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
        pulled = not pushes or layout.is_pulled_area(case.path)
        yield replace(case, origin=item, origin_changed=changed, pulled=pulled)


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


async def record(mirror: Mirror, plan: Plan, cause: str, run: int | None) -> int | None:
    """Make a plan durable: links at once, transfers to be carried out.

    run: the run to add to. Returns the run; None when there was nothing to do yet.
    """
    if not (plan.actions or plan.partings or plan.held or plan.judged):
        return run
    moment, planned = now_ms(mirror.clock), len(plan.actions)
    run = await mirror.state.write(lambda c: _record(c, mirror, plan, cause, run, moment))
    if len(plan.actions) + plan.leaving < planned:
        mirror.hints.boards("a plan was overtaken")
    return run


def _record(
    c: Connection, mirror: Mirror, plan: Plan, cause: str, run: int | None, moment: int
) -> int | None:
    changed = links.changes(c, mirror.number) != plan.links_changed
    if departures.any_leaving(c, mirror.number):
        _leave_out_leaving(c, mirror, plan)
    if changed:
        _leave_out_overtaken(c, mirror, plan)
    _hold(c, mirror, plan, moment)
    for parting in plan.partings:
        links.part(c, parting.link, parting.state, moment)
    if not plan.actions:
        return run
    number = run if run is not None else runs.begin(c, mirror.number, cause, moment)
    follows = [action for _, action in plan.actions if action.kind is ActionKind.FOLLOW]
    _follow(c, mirror.number, follows, moment)
    found = [
        _new_link(mirror, board, action, number)
        for board, action in plan.actions
        if action.kind in RECORDS_ONLY and action.kind is not ActionKind.FOLLOW
    ]
    links.agree_all(c, found, moment)
    travelling = [pair for pair in plan.actions if pair[1].kind not in RECORDS_ONLY]
    planned = transfers.plan_transfers(c, mirror.number, travelling, moment, number)
    if run is None and not (planned or found or follows):
        # All of it is under way already, by an earlier run.
        runs.take_back(c, number)
        return None
    runs.count(c, number, moment, planned=planned, linked=len(found), moved=len(follows))
    return number


def _follow(c: Connection, mirror: int, follows: Sequence[Action], moment: int) -> None:
    """Let links go where their files went, all of them before any takes its place there."""
    earlier = [links.earlier(c, _number(action)) for action in follows]
    for action, numbers in zip(follows, earlier, strict=True):
        path = _target(action)
        links.rename(c, numbers, path)
        links.change(c, _number(action), moment, path=path)
    for action in follows:
        links.take_place(c, _number(action), moment)
    gone = [
        path for path in map(_target, follows) if observations.find_file(c, mirror, path) is None
    ]
    absence.note_files_gone(c, mirror, gone, moment)


def _leave_out_leaving(c: Connection, mirror: Mirror, plan: Plan) -> None:
    """Link nothing to items that are being removed; it is decided anew when they are gone."""
    kept = []
    for board, action in plan.actions:
        new = action.kind in RECORDS_ONLY and action.kind is not ActionKind.FOLLOW
        if new and departures.is_leaving(c, board, str(action.item_id)):
            mirror.awaited.add((board, str(action.item_id)))
        else:
            kept.append((board, action))
    plan.leaving = len(plan.actions) - len(kept)
    plan.actions = kept


def _leave_out_overtaken(c: Connection, mirror: Mirror, plan: Plan) -> None:
    """Leave out what a transfer has settled since the plan was made: it would be done twice."""
    plan.actions = [
        pair for pair in plan.actions if not _is_overtaken(c, mirror, *pair)
    ]  # fmt: skip
    plan.partings = [
        one for one in plan.partings
        if (found := links.find(c, one.link)) is not None
        and (found.state, found.path) == (LinkState.AGREED.value, one.path)
    ]  # fmt: skip


def _is_overtaken(c: Connection, mirror: Mirror, board: int, action: Action) -> bool:
    if action.link is not None:
        found = links.find(c, action.link)
        if found is None or found.path != action.path:
            return True
        replaced = action.kind is ActionKind.TRASH_ITEM and found.state == LinkState.SUPERSEDED
        if found.state != LinkState.AGREED.value and not replaced:
            return True
    if action.kind is ActionKind.UPLOAD:
        assert action.path is not None and action.digest is not None  # noqa: S101, PT018
        linked = links.has_picture(c, mirror.number, action.path, action.digest, board)
        return linked and action.link is None
    if action.kind in RECORDS_ONLY and action.kind is not ActionKind.FOLLOW:
        # It was moved, replaced or removed meanwhile: nothing would ever tell that it is gone.
        seen = items_seen.find_item(c, board, str(action.item_id))
        return seen is None or seen[0].version != action.version
    if action.kind is ActionKind.DOWNLOAD and action.link is None:
        return links.has_version(c, board, str(action.item_id), action.version)
    return False


def _hold(c: Connection, mirror: Mirror, plan: Plan, moment: int) -> None:
    """See to it that holds name what waits for consent now, and nothing else."""
    for side in REMOVALS.values():
        held, reason = plan.held.get(side, ([], ""))
        if held or plan.judged:
            numbers = [_number(action) for _, action in held]
            holds.keep(c, mirror.number, side, numbers, reason, moment)


def _number(action: Action) -> int:
    assert action.link is not None  # noqa: S101
    return action.link


def _target(action: Action) -> bytes:
    assert action.target is not None  # noqa: S101
    return action.target


def _new_link(mirror: Mirror, board: int, action: Action, run: int) -> links.NewLink:
    assert action.path is not None and action.digest is not None and action.item_id  # noqa: S101, PT018
    return links.NewLink(
        mirror=mirror.number, path=action.path, digest=action.digest, board=board,
        item_id=action.item_id, version=action.version, made="found", run=run,
    )  # fmt: skip
