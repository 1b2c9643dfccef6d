"""Makes a plan durable: links at once, transfers to be carried out.

What a transfer settled since the plan was made is left out: it would be done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.decide import Plan
from boardsync.engine.decide_links import REMOVALS
from boardsync.model import Action, ActionKind, LinkState
from boardsync.state import (
    absence,
    departures,
    holds,
    items_seen,
    links,
    observations,
    runs,
    transfers,
)

RECORDS_ONLY = frozenset({ActionKind.LINK, ActionKind.RELINK, ActionKind.FOLLOW})


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
    if mirror.policy().one_item:
        _leave_out_joining(c, mirror, plan)
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
    links.agree_all(c, _with_recipes(c, found), moment)
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
    plan.leaving += len(plan.actions) - len(kept)
    plan.actions = kept


def _leave_out_joining(c: Connection, mirror: Mirror, plan: Plan) -> None:
    """Let a picture come to a board in one way: as an item that moves there, or as a file.

    Both would make two items of it. What is left out is decided anew when the other is there.
    """
    uploads = any(action.kind is ActionKind.UPLOAD for _, action in plan.actions)
    moving = transfers.moving_items(c, mirror.number) if uploads else set()
    kept = []
    for board, action in plan.actions:
        picture = (board, str(action.token))
        if action.kind is ActionKind.UPLOAD and picture in moving:
            continue
        if action.kind is ActionKind.MOVE_ITEM and transfers.is_sending(c, *picture):
            mirror.awaited.add(picture)
            continue
        kept.append((board, action))
    plan.leaving += len(plan.actions) - len(kept)
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
        if action.link is not None:
            return False
        if links.has_picture(c, mirror.number, action.path, action.digest, board):
            return True
        return mirror.policy().one_item and _has_come(c, mirror, board, action.digest)
    if action.kind in RECORDS_ONLY and action.kind is not ActionKind.FOLLOW:
        # It was moved, replaced or removed meanwhile: nothing would ever tell that it is gone.
        seen = items_seen.find_item(c, board, str(action.item_id))
        return seen is None or seen[0].version != action.version
    if action.kind is ActionKind.DOWNLOAD and action.link is None:
        return links.has_version(c, board, str(action.item_id), action.version)
    return False


def _has_come(c: Connection, mirror: Mirror, board: int, digest: str) -> bool:
    """Tell whether a picture is on a board by now, for another file: an item moved there."""
    for one in links.of_digest(c, mirror.number, digest):
        if one.board == board and one.state == LinkState.AGREED.value:
            seen = items_seen.find_item(c, board, one.item_id)
            if seen is not None and seen[0].version == one.version:
                return True
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


def _with_recipes(c: Connection, found: Sequence[links.NewLink]) -> list[links.NewLink]:
    """Add how the items were prepared, as their marks tell it."""
    by_board: dict[int, list[str]] = {}
    for one in found:
        by_board.setdefault(one.board, []).append(one.item_id)
    recipes = {
        (board, item_id): recipe
        for board, items in by_board.items()
        for item_id, recipe in items_seen.recipes(c, board, items).items()
    }
    return [replace(one, recipe=recipes.get((one.board, one.item_id))) for one in found]


def _new_link(mirror: Mirror, board: int, action: Action, run: int) -> links.NewLink:
    assert action.path is not None and action.digest is not None and action.item_id  # noqa: S101, PT018
    return links.NewLink(
        mirror=mirror.number, path=action.path, digest=action.digest, board=board,
        item_id=action.item_id, version=action.version, made="found", run=run,
    )  # fmt: skip
