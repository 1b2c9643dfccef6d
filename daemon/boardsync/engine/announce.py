"""Tells the service manager in one line how the mirrors stand, whenever that changes.

What it says can be read without asking the daemon: `systemctl status` shows it. It asks the
state for little, because it asks often.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy import Connection

from boardsync.engine.assembly import Assembly
from boardsync.engine.context import Mirror
from boardsync.errors import BoardsyncError
from boardsync.state import holds, places, transfers
from boardsync.telemetry import notify

log = structlog.get_logger(__name__)

SECONDS = 10.0
"""Between two looks at the state."""
LONGEST = 300
"""Letters of one line: nobody reads more there."""


async def announce(assembly: Assembly, tell: Callable[[str], object] = notify.status) -> None:
    """Tell until cancelled. A state that cannot be read is told like any other trouble."""
    said = ""
    while True:
        words = standing(assembly)
        if words != said:
            tell(words)
            said = words
        await assembly.clock.sleep(SECONDS)


def standing(assembly: Assembly) -> str:
    """Say how the mirrors stand: what is wrong with any, or that all are watched."""
    try:
        with assembly.state.read() as connection:
            wrong = [words for one in assembly.mirrors if (words := _wrong(connection, one))]
    except BoardsyncError as error:
        wrong = [str(error)]
    if not wrong:
        return f"watching {', '.join(mirror.name for mirror in assembly.mirrors)}"
    line = "; ".join(wrong)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _wrong(connection: Connection, mirror: Mirror) -> str | None:
    """Say what keeps a mirror from being in step, the worst first."""
    trouble = places.trouble(connection, mirror.number)
    if trouble is not None:
        return f"{mirror.name} waits: {trouble[0]}"
    held = sum(one.count for one in holds.open_holds(connection, [mirror.number]))
    if held:
        return f"{mirror.name}: {held} removals wait for consent, see `boardsync holds`"
    failing = transfers.failing(connection, mirror.number, 1)
    if failing:
        return f"{mirror.name} cannot go on with a picture: {failing[0].error}"
    return None
