"""The doctor's look for litter: temporary files of ours that no process works on any more."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from boardsync.config.model import MirrorSettings, Settings
from boardsync.engine.assembly import open_trash_of
from boardsync.engine.symptom import Symptom, ill, sound
from boardsync.files.disk import SYSTEM, files_below
from boardsync.files.durable import TEMP_PREFIX, remove_abandoned, remove_if_there
from boardsync.state import places, transfers
from boardsync.state.database import State

OLD_SECONDS = 3600.0
"""What is younger may be somebody's work of this moment."""
UNFINISHED = (".part", ".restoring")
"""How copies of the state end that are not whole yet."""


def litter_symptoms(
    settings: Settings, state: State | None, old_seconds: float = OLD_SECONDS
) -> list[Symptom]:
    """Look for litter in folders and trash, and beside the state. old_seconds: only such."""
    owned = _owned(settings, state)
    found = [path for mirror in settings.mirrors for path in _of_mirror(mirror, owned)]
    found += _beside_the_state(settings.state)
    found = [path for path in found if _is_old(path, old_seconds)]
    if not found:
        return [sound("litter", "none")]
    examples = ", ".join(os.fsdecode(path) for path in found[:3])
    words = f"{len(found)} temporary files that nobody works on: {examples}"
    return [ill("litter", words, partial(_remove, found))]


def _owned(settings: Settings, state: State | None) -> set[bytes]:
    """Return the temporary files that downloads which go on still need, as absolute paths."""
    owned: set[bytes] = set()
    if state is None:
        return owned
    with state.read() as connection:
        for mirror in settings.mirrors:
            number = places.find_mirror(connection, mirror.id)
            if number is not None:
                root = os.fsencode(mirror.folder)
                kept = transfers.temporaries(connection, number)
                owned |= {os.path.join(root, path) for path in kept}
    return owned


def _of_mirror(mirror: MirrorSettings, owned: set[bytes]) -> Iterator[bytes]:
    for directory in (os.fsencode(mirror.folder), open_trash_of(mirror, SYSTEM).root):
        for path in files_below(SYSTEM, directory):
            ours = os.path.basename(path).startswith(TEMP_PREFIX)
            if ours and path not in owned:
                yield path


def _beside_the_state(state: Path) -> Iterator[bytes]:
    for directory in (state.parent, state.parent / "backups"):
        for path in directory.glob("*"):
            of_it = path.name.startswith(state.stem) and path.name.endswith(UNFINISHED)
            if of_it and path.is_file():
                yield os.fsencode(path)


def _is_old(path: bytes, seconds: float) -> bool:
    try:
        return os.lstat(path).st_ctime + seconds < time.time()
    except OSError:
        return False


def _remove(paths: list[bytes]) -> str:
    """Remove what nobody has locked: a lock dies with its process."""
    removed = 0
    for path in paths:
        abandoned = remove_abandoned(path)
        removed += remove_if_there(path) if abandoned is None else abandoned
    return f"{removed} temporary files removed"
