"""The doctor's look at folders, trash and clock, and at mirrors that get in each other's way."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from itertools import combinations
from pathlib import Path

from boardsync.config.model import DirectorySettings, MirrorSettings, Settings
from boardsync.engine.assembly import open_trash_of
from boardsync.engine.checkup import room
from boardsync.engine.symptom import Symptom, ill, sound
from boardsync.files.disk import SYSTEM
from boardsync.state import orphans
from boardsync.state.database import State

OTHERS = 0o077
WRITING = 0o002
CLOCK_NS = 60_000_000_000
"""So much may a clock be behind a filesystem's own."""


def place_symptoms(settings: Settings, state: State | None) -> list[Symptom]:
    """Look at where things lie, and at the clock."""
    found = [symptom for mirror in settings.mirrors for symptom in _of_mirror(mirror)]
    for name, server in settings.servers.items():
        if isinstance(server, DirectorySettings) and server.path.is_dir():
            found.append(Symptom(room(server.path, f"server {name}: {server.path}")))
    found += _conflicts(settings.mirrors)
    if state is not None:
        found.append(_clock(state))
    return found


def _of_mirror(mirror: MirrorSettings) -> Iterator[Symptom]:
    subject = f"mirror {mirror.name}: {mirror.folder}: permissions"
    if not mirror.folder.is_dir():
        return  # the check tells it
    if os.stat(mirror.folder).st_mode & WRITING:
        words = f"everybody may write to it; where that is not meant: `chmod o-w {mirror.folder}`"
        yield sound(subject, words)
    else:
        yield sound(subject, "not everybody's to write")
    trash = Path(os.fsdecode(open_trash_of(mirror, SYSTEM).root))
    if not trash.is_dir():
        return
    subject = f"mirror {mirror.name}: trash {trash}"
    if trash.stat().st_mode & OTHERS:
        yield ill(subject, "others may look into it", partial(_close, trash))
    else:
        yield sound(subject, "its owner's alone")


def _close(trash: Path) -> str:
    trash.chmod(0o700)
    return "now its owner's alone"


def _clock(state: State) -> Symptom:
    """Compare the clock with the times that filesystems gave: nobody can set those ahead."""
    with state.read() as connection:
        newest = orphans.newest_change_ns(connection)
    behind = 0 if newest is None else newest - time.time_ns()
    if behind <= CLOCK_NS:
        return sound("clock", "not behind the files")
    words = (
        f"{behind / 1e9:.0f} seconds behind the newest change of a file: set it right, for example"
        " with `timedatectl set-ntp true`"
    )
    return ill("clock", words)


def _conflicts(mirrors: list[MirrorSettings]) -> list[Symptom]:
    """Find mirrors that share files where the settings' own check, by paths, cannot see it."""
    found = []
    for first, second in combinations(mirrors, 2):
        writes = first.direction.pulls or second.direction.pulls
        if writes and (_lies_in(first.folder, second.folder) or
                       _lies_in(second.folder, first.folder)):  # fmt: skip
            words = (
                "they share a folder, by a mount under two names, and one of them writes there:"
                " keep their folders apart, or let both only push"
            )
            found.append(ill(f"mirrors {first.name} and {second.name}", words))
    for mirror in mirrors:
        for other in mirrors:
            place = _seen_trash(mirror, other)
            if place is not None:
                words = (
                    f"its trash {place} lies in the folder of mirror {other.name}, which would"
                    " mirror it: set another `trash.folder`"
                )
                found.append(ill(f"mirror {mirror.name}", words))
    return found or [sound("mirrors", "none gets in another's way")]


def _lies_in(inner: Path, outer: Path) -> bool:
    """Tell whether a folder, or one above it, is the other one, whatever its name."""
    try:
        wanted = os.stat(outer)
        here = Path(os.path.realpath(inner))
        return any(
            (told.st_dev, told.st_ino) == (wanted.st_dev, wanted.st_ino)
            for told in (os.stat(one) for one in (here, *here.parents))
        )
    except OSError:
        return False


def _seen_trash(mirror: MirrorSettings, other: MirrorSettings) -> Path | None:
    """Return a mirror's trash where another mirror's walk would come by."""
    place = Path(os.path.realpath(os.fsdecode(open_trash_of(mirror, SYSTEM).root)))
    folder = Path(os.path.realpath(other.folder))
    if not place.is_relative_to(folder):
        return None
    hidden = any(part.startswith(".") for part in place.relative_to(folder).parts)
    return None if hidden else place
