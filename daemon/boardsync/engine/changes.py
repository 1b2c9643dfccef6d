"""How parts of the daemon follow new settings: each prepares its change, then all are made.

So either all of the new settings come into force, or none of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from boardsync.config.model import Settings


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one part changes, prepared: all that can fail is behind it.

    name: the section of the settings. make: makes it at once, without waiting; it must not fail.
    It returns in words what of it does not come into force, if there is such a thing. drop: lets
    go of what was prepared, instead.
    """

    name: str
    make: Callable[[], Sequence[str] | None]
    drop: Callable[[], None] = _nothing


Follower = Callable[[Settings], Awaitable[Change | None]]
"""Prepares a part's change to other settings; None: they change nothing for it.

Raises SettingsError; nothing has changed then.
"""


async def prepare_all(followers: Sequence[Follower], settings: Settings) -> list[Change]:
    """Prepare the changes of all, or none. Raises SettingsError."""
    prepared: list[Change] = []
    try:
        for follow in followers:
            change = await follow(settings)
            if change is not None:
                prepared.append(change)
    except BaseException:
        drop_all(prepared)
        raise
    return prepared


def drop_all(changes: Sequence[Change]) -> None:
    """Let go of all that was prepared, the last one first."""
    for change in reversed(changes):
        change.drop()
