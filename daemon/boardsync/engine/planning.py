"""A plan that is only shown: observes on a scratch copy of the state and stops after deciding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from boardsync.engine.assembly import Assembly
from boardsync.engine.context import Mirror
from boardsync.engine.once import chosen_workers
from boardsync.engine.passes import Look, Pass
from boardsync.engine.reconcile import Reconciler
from boardsync.engine.report import show
from boardsync.model import Action
from boardsync.state import places, transfers


async def plan_mirrors(assembly: Assembly, names: Sequence[str]) -> dict[str, Any]:
    """Decide what mirrors need. The assembly's state must be a scratch copy.

    Returns `actions`, each with its reason, and `remarks` on what could not be looked at.
    """
    actions: list[dict[str, Any]] = []
    remarks: list[str] = []
    for worker in chosen_workers(assembly, names):
        mirror = worker.mirror
        # Transfers are a cache of the plan: without it, what waits is planned once more.
        await mirror.state.write(partial(transfers.forget_unfinished, mirror=mirror.number))
        done = await Reconciler(mirror, dry=True).look(Look.everywhere("plan"))
        actions += [
            _told(mirror, board, action) for board, action in (*done.made, *done.plan.actions)
        ]
        remarks += _remarks(mirror, done)
    return {"actions": actions, "remarks": remarks}


def _told(mirror: Mirror, board: int, action: Action) -> dict[str, Any]:
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
