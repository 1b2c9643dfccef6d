"""A plan that is only shown: observes on a scratch copy of the state and stops after deciding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from boardsync.engine import again, mend
from boardsync.engine.assembly import Assembly
from boardsync.engine.context import Mirror
from boardsync.engine.once import chosen_workers
from boardsync.engine.passes import Look, Pass
from boardsync.engine.reconcile import Reconciler
from boardsync.engine.report import show
from boardsync.engine.send_again import why_not_sent
from boardsync.model import Action, ActionKind
from boardsync.state import places, transfers
from boardsync.state.records import TransferRecord

ASKED = (ActionKind.SEND_AGAIN, ActionKind.DOWNLOAD)


async def plan_mirrors(assembly: Assembly, names: Sequence[str]) -> dict[str, Any]:
    """Decide what mirrors need. The assembly's state must be a scratch copy.

    Returns `actions`, each with its reason, and `remarks` on what could not be looked at.
    """
    actions: list[dict[str, Any]] = []
    remarks: list[str] = []
    for worker in chosen_workers(assembly, names):
        mirror = worker.mirror
        asked = await mirror.state.write(partial(_keep_what_was_asked_for, mirror))
        done = await Reconciler(mirror, dry=True).look(Look.everywhere("plan"))
        planned = (*done.made, *done.plan.actions)
        decided = {(board, action.path) for board, action in planned if action.path is not None}
        actions += [_told(mirror, board, action) for board, action in planned]
        actions += [
            _told(mirror, one.board, one) for one in asked
            if (one.board, one.path) not in decided and not _is_called_off(mirror, one)
        ]  # fmt: skip
        remarks += _remarks(mirror, done)
    return {"actions": actions, "remarks": remarks}


def _keep_what_was_asked_for(mirror: Mirror, c: Connection) -> list[TransferRecord]:
    """Forget the transfers, a cache of the plan: what waits is planned once more.

    Returns those that no look would plan: a person asked for them. Only they stay.
    """
    planned = transfers.planned_by(c, mirror.number, (again.CAUSE, mend.CAUSE))
    asked = [one for one in planned if one.kind in ASKED]
    transfers.forget_unfinished(c, mirror.number, [one.id for one in asked])
    return asked


def _is_called_off(mirror: Mirror, asked: TransferRecord) -> bool:
    """Tell whether a file that was to be sent again would not be sent at all by now."""
    if asked.kind is not ActionKind.SEND_AGAIN or asked.path is None:
        return False
    return why_not_sent(mirror, asked.path) is not None


def _told(mirror: Mirror, board: int, action: Action | TransferRecord) -> dict[str, Any]:
    with mirror.state.read() as connection:
        name = places.board_by_id(connection, board).name
    return {
        "mirror": mirror.name,
        "action": action.kind.value,
        "path": show(action.path),
        "item": show(action.item_id),
        "board": name,
        "reason": action.reason,
    }


def _remarks(mirror: Mirror, done: Pass) -> list[str]:
    told = [f"{mirror.name}: {error}" for error in done.troubles]
    resting = mirror.brake.words()
    if resting is not None:
        told.append(f"{mirror.name}: {resting}; until then, nothing of this is done")
    if done.hashed.waiting:
        told.append(f"{mirror.name}: {done.hashed.waiting} files are still changing; not planned")
    told += [
        f"{mirror.name}: {count} files wait: {why}" for why, count in done.plan.blocked.items()
    ]
    return told
