"""Holds, and a person's answers to them: removals that wait until somebody looked."""

from __future__ import annotations

from functools import partial
from typing import Any

from boardsync.config.model import Settings
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.report import show
from boardsync.errors import SettingsError
from boardsync.plan.links import Consent
from boardsync.state import holds, places, trash
from boardsync.state.database import State
from boardsync.state.holds import HoldRecord

EXAMPLES = 10
SIDES = {
    trash.ITEM: "files were deleted here; their items on the board would go to the trash",
    trash.FILE: "items were deleted on the board; their files would go to the trash",
}


def list_holds(
    settings: Settings, state: State | None, examples: int = EXAMPLES
) -> list[dict[str, Any]]:
    """Tell what waits for consent, oldest first, each with some of its subjects."""
    if state is None:
        return []
    told = []
    with state.read() as connection:
        for mirror in settings.mirrors:
            number = places.find_mirror(connection, mirror.id)
            if number is None:
                continue
            for one in holds.open_holds(connection, [number]):
                named = holds.examples(connection, one.id, examples)
                told.append(_told(mirror.name, one, named))
    return sorted(told, key=lambda hold: (hold["since_ms"], hold["hold"]))


def _told(
    mirror: str, one: HoldRecord, named: list[tuple[bytes, str, str]]
) -> dict[str, Any]:  # fmt: skip
    return {
        "hold": one.id,
        "mirror": mirror,
        "side": one.side,
        "what": SIDES[one.side],
        "reason": one.reason,
        "since_ms": one.since_ms,
        "count": one.count,
        "examples": [
            {"path": show(path), "item": show(item), "board": board} for path, item, board in named
        ],
    }


async def answer(mirrors: list[Mirror], number: int, consent: Consent) -> tuple[Mirror, int]:
    """Give a person's answer to one hold. Returns whose it was and how many pictures it names.

    Raises SettingsError when there is no such hold: it was answered, its cause is gone, or
    more came to it and it has another number now.
    """
    for mirror in mirrors:
        with mirror.state.read() as connection:
            found = [one.id for one in holds.open_holds(connection, [mirror.number])]
        if number not in found:
            continue
        moment = now_ms(mirror.clock)
        count = await mirror.state.write(
            partial(holds.answer, number=number, consent=consent.value, now_ms=moment)
        )
        if count is not None:
            return mirror, count
    raise SettingsError(
        f"there is no hold {number} (any more); `boardsync holds` lists what waits, and a hold"
        " to which more is added gets another number"
    )
