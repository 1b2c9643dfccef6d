"""What tests of health share: times, and ways to have something fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import Connection

from boardsync.engine.causes import Cause, Kind, Level
from boardsync.engine.clock import now_ms
from boardsync.model import Action, ActionKind
from boardsync.state import places, transfers
from engine.world import World

STUCK = 300.0
DAY = 86_400.0


def only(causes: list[Cause]) -> Cause:
    """Return the only cause that is more than information."""
    [cause] = [one for one in causes if one.level > Level.INFORMATION]
    return cause


def kinds(causes: list[Cause]) -> set[Kind]:
    return {one.kind for one in causes}


def failed(connection: Connection, mirror: int, error_class: str) -> None:
    """Let all transfers of a mirror have failed."""
    for one in transfers.waiting(connection, [mirror]):
        transfers.change(
            connection, one.id, 0, error="it failed", error_class=error_class,
            not_before_ms=2**50, first_sent_ms=one.created_ms,
        )  # fmt: skip


async def planned(here: World, reason: str, count: int = 1) -> None:
    """Plan uploads that nobody carries out."""
    mirror = here.assembly.mirrors[0]

    def write(c: Connection) -> None:
        board = places.bind_board(c, mirror.number, b"", "b", "board")
        actions = [
            (board.id, Action(ActionKind.UPLOAD, mirror.key, reason, path=b"%d" % n,
                              digest="aa" * 32, token=f"t{n}"))
            for n in range(count)
        ]  # fmt: skip
        transfers.plan_transfers(c, mirror.number, actions, now_ms(here.clock), 1)
        mirror.seen_boards.add(board.id)

    await here.state.write(write)


class running:  # noqa: N801 (used as a function)
    """Run something in the background of a block."""

    def __init__(self, work: Awaitable[None]) -> None:
        self.task = asyncio.ensure_future(work)

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)
