"""Looks how the daemon is every few seconds, and lets it be known: one line, and alarms.

What the line says can be read without asking the daemon: `systemctl status` shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from boardsync.engine.alarms import Alarms
from boardsync.engine.assembly import Assembly
from boardsync.engine.causes import Level
from boardsync.engine.health import Health
from boardsync.telemetry import notify

log = structlog.get_logger(__name__)

SECONDS = 10.0
"""Between two looks."""
AT_REST = 3
"""So many times as long it is while nothing happens and nothing is wrong."""
LONGEST = 300
"""Letters of one line: nobody reads more there."""


async def announce(
    assembly: Assembly, health: Health, alarms: Alarms,
    tell: Callable[[str], object] = notify.status, every: float = SECONDS,
) -> None:  # fmt: skip
    """Look every so many seconds, and tell, until cancelled.

    A mistake of ours in it must not end the looking.
    """
    said, walks = "", list[int]()
    counting: asyncio.Task[None] | None = None
    try:
        while True:
            try:
                alarms.hear(health.look(), looked=health.looked)
                words = standing(assembly, health)
                if words != said:
                    tell(words)
                    said = words
            except Exception:
                log.exception("bug: how the daemon is could not be told")
            # Beside this loop: a disk that is full or hangs would stop the looking.
            if counting is None or counting.done():
                counting = asyncio.create_task(_count_and_keep(health))
            walks, before = [one.walks for one in assembly.workers.values()], walks
            resting = walks == before and not health.causes
            await assembly.clock.sleep(every * AT_REST if resting else every)
    finally:
        if counting is not None:
            counting.cancel()


async def _count_and_keep(health: Health) -> None:
    try:
        await health.count_and_keep()
    except Exception:
        log.exception("bug: what health keeps could not be kept")


def standing(assembly: Assembly, health: Health) -> str:
    """Say in one line what the last look found wrong and what rests, or that all is watched."""
    wrong = [one.words for one in health.causes if one.level > Level.INFORMATION]
    resting = [
        f"{mirror.name}: {words}"
        for mirror in assembly.mirrors if (words := mirror.brake.words()) is not None
    ]  # fmt: skip
    if not (wrong or resting):
        return f"watching {', '.join(mirror.name for mirror in assembly.mirrors)}"
    line = "; ".join([*wrong, *resting])
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
