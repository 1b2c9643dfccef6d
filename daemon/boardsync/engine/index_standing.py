"""How the search index stands, for who asks how everything stands.

It is only looked at, also where a daemon writes it. What it needs is imported when somebody asks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boardsync.config.model import MirrorSettings, Settings
from boardsync.errors import BoardsyncError


@dataclass(frozen=True, slots=True)
class Indexed:
    """How much of a mirror is in the index. waiting: not read yet. looked_ms: None for never."""

    pictures: int = 0
    waiting: int = 0
    looked_ms: int | None = None


def indexed(settings: Settings) -> dict[str, Indexed]:
    """Count what is in the index of every mirror; nothing where there is none, or it is damaged.

    Raises TryAgain when it cannot be looked at now, NeedsPerson where it is somebody else's.
    """
    from boardsync.index.database import Damaged

    if settings.index is None:
        return {}
    try:
        return _counted(settings.index, settings.mirrors)
    except Damaged:
        return dict.fromkeys((one.name for one in settings.mirrors), Indexed())


def _counted(path: Path, mirrors: Sequence[MirrorSettings]) -> dict[str, Indexed]:
    from boardsync.index.standing import contents_of

    known = {one.standing.root: one for one in contents_of(path) or ()}
    told = {}
    for mirror in mirrors:
        one = known.get(os.path.realpath(os.fsencode(mirror.folder)))
        told[mirror.name] = (
            Indexed() if one is None
            else Indexed(one.pictures, one.standing.unread, one.standing.looked_ms)
        )  # fmt: skip
    return told


def index_status(settings: Settings, scanned_ms: dict[str, int | None]) -> dict[str, Any] | None:
    """Tell how the index stands; None where the settings want none.

    scanned_ms: when each mirror's folder was last walked through. The index is behind where it
    has not followed since, or has pictures to read. trouble: why it cannot be told.
    """
    if settings.index is None:
        return None
    told: dict[str, Any] = {
        "file": str(settings.index), "pictures": 0, "waiting": 0, "behind": [], "trouble": None,
    }  # fmt: skip
    from boardsync.index.database import Damaged, OfAnotherVersion

    try:
        counted = _counted(settings.index, settings.mirrors)
    except OfAnotherVersion as error:
        return told | {"trouble": f"{error}; it is made anew when the index is written next"}
    except Damaged as error:
        return told | {"trouble": f"damaged: {error}; `boardsync doctor --mend` removes it"}
    except BoardsyncError as error:
        return told | {"trouble": str(error)}
    told["pictures"] = sum(one.pictures for one in counted.values())
    told["waiting"] = sum(one.waiting for one in counted.values())
    told["behind"] = [
        name for name, one in counted.items()
        if one.waiting or (one.looked_ms or 0) < (scanned_ms.get(name) or 0)
    ]  # fmt: skip
    return told
