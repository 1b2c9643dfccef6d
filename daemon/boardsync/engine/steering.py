"""Pauses and resumes mirrors, and has them looked at, as a person asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from boardsync.config.named import require_known
from boardsync.engine.assembly import Assembly
from boardsync.engine.clock import now_ms
from boardsync.engine.once import chosen_workers
from boardsync.errors import SettingsError
from boardsync.state import pauses
from boardsync.state.pauses import ALL, MIRROR, SERVER

Target = tuple[str, str]
"""What is paused: its scope, and its name there."""


async def pause(
    assembly: Assembly, mirrors: Sequence[str] = (), server: str | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Pause mirrors, a server's, or all; for so many seconds, or until they are resumed.

    What is under way finishes. Returns how everything stands; raises SettingsError for a stranger.
    """
    targets, now = _targets(assembly, mirrors, server), now_ms(assembly.clock)
    until = None if seconds is None else now + int(seconds * 1000)

    def write(c: Connection) -> None:
        for scope, name in targets:
            pauses.begin(c, scope, name, now, until)

    await assembly.state.write(write)
    _tell(assembly)
    return standing(assembly)


async def resume(
    assembly: Assembly, mirrors: Sequence[str] = (), server: str | None = None
) -> dict[str, Any]:  # fmt: skip
    """End the pauses of mirrors, of a server, or every pause there is; then look everywhere.

    Returns how everything stands, and how many pauses were ended; raises SettingsError for a
    stranger.
    """
    targets = _targets(assembly, mirrors, server)

    def write(c: Connection) -> int:
        if targets == [(ALL, "")]:
            return pauses.end_all(c)
        return sum(pauses.end(c, scope, name) for scope, name in targets)

    ended = await assembly.state.write(write)
    _tell(assembly)
    return standing(assembly) | {"ended": ended}


def standing(assembly: Assembly) -> dict[str, Any]:
    """Tell, for every mirror, why nothing of it starts now; None where that is not so."""
    return {"mirrors": {one.name: one.brake.words() for one in assembly.mirrors}}


def sync(assembly: Assembly, mirrors: Sequence[str] = ()) -> dict[str, Any]:
    """Have mirrors, or all, looked at everywhere, and what waits go at once. Waits for nothing.

    Returns the mirrors, and why nothing of one starts now; raises SettingsError for a stranger.
    """
    workers = chosen_workers(assembly, mirrors)
    for worker in workers:
        worker.hint_everything("asked")
    return {"mirrors": {one.mirror.name: one.mirror.brake.words() for one in workers}}


def _targets(assembly: Assembly, mirrors: Sequence[str], server: str | None) -> list[Target]:
    if mirrors and server is not None:
        raise SettingsError("mirrors and a server were named; expected one of the two")
    if server is not None:
        require_known("server", [server], assembly.settings.servers)
        return [(SERVER, server)]
    if mirrors:
        return [(MIRROR, worker.mirror.key) for worker in chosen_workers(assembly, mirrors)]
    return [(ALL, "")]


def _tell(assembly: Assembly) -> None:
    assembly.pauses.read()
    assembly.wake()
