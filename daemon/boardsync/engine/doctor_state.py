"""The doctor's look at the state: its soundness, rows that nobody needs, and who may read it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from boardsync.config.model import Settings
from boardsync.engine.symptom import Symptom, ill, sound
from boardsync.errors import BoardsyncError
from boardsync.state import orphans
from boardsync.state.database import State
from boardsync.state.shape import find_fault

OLD_MS = 86_400_000
OTHERS = 0o077
WRITING = 0o022
_KEPT = ("corrupt-*", "before-*", "replaced-*")


def state_symptoms(settings: Settings, state: State | None) -> list[Symptom]:
    """Look at the state file, its rows and its folder."""
    found = list(_permissions(settings.state))
    if state is not None:
        content = _integrity(settings.state)
        found.append(content)
        if content.finding.good:
            found += _rows(settings, state)
    kept = _copies_kept(settings.state)
    return found + ([] if kept is None else [kept])


def _integrity(path: Path) -> Symptom:
    subject = f"state {path}: content"
    try:
        complaint = find_fault(path, thorough=True)
    except BoardsyncError as error:
        return ill(subject, str(error))
    if complaint is None:
        return sound(subject, "intact")
    words = (
        f"damaged: {complaint}; stop the daemon: the next start keeps the file aside and rebuilds"
        " it from the disk and the boards, or restore a backup: `boardsync restore-state`"
    )
    return ill(subject, words)


def _rows(settings: Settings, state: State) -> Iterator[Symptom]:
    subject, before = "state: rows", int(time.time() * 1000) - OLD_MS
    with state.read() as connection:
        broken = orphans.broken_references(connection)
        found = orphans.count(connection, before)
        others = orphans.unknown_mirrors(connection, {one.id for one in settings.mirrors})
    if broken:
        yield ill(subject, f"{broken} rows name others that are not there: please report this")
    if found:
        words = ", ".join(f"{words}: {count}" for words, count in found.items())
        yield ill(subject, words, partial(_remove_orphans, state, before))
    elif not broken:
        yield sound(subject, "each has what it speaks of")
    if others:
        names = ", ".join(others)
        yield sound("state: former mirrors", f"{names}: kept for the day they come back")


def _remove_orphans(state: State, before: int) -> str:
    removed = state.write_now(lambda c: orphans.remove(c, before))
    return f"{sum(removed.values())} rows removed"


def _permissions(path: Path) -> Iterator[Symptom]:
    """Tell who else may read the state. Its folder may be somebody's home, and is theirs."""
    own = [path.with_name(path.name + end) for end in ("", "-wal", "-shm", ".lock")]
    backups = path.parent / "backups"
    own += [*path.parent.glob(f"{path.name}.*"), *backups.glob("*.db")]
    files = sorted({one for one in own if one.is_file()})
    open_ones = [one for one in files if _mode(one) & OTHERS]
    subject = f"state {path}: permissions"
    if open_ones:
        words = f"others may read {', '.join(one.name for one in open_ones)}"
        yield ill(subject, words, partial(_close, open_ones, 0o600))
    if backups.is_dir() and _mode(backups) & OTHERS:
        yield ill(subject, f"others may look into {backups}", partial(_close, [backups], 0o700))
    if path.parent.is_dir() and _mode(path.parent) & WRITING:
        yield ill(subject, f"others may write to {path.parent}: run `chmod go-w {path.parent}`")
    elif files and not open_ones:
        yield sound(subject, "its owner's alone")


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(os.lstat(path).st_mode)
    except OSError:
        return 0


def _close(paths: list[Path], mode: int) -> str:
    for one in paths:
        one.chmod(mode)
    return f"now its owner's alone: {', '.join(one.name for one in paths)}"


def _copies_kept(path: Path) -> Symptom | None:
    """Tell of what was kept aside of former states: only a person knows when it may go."""
    kept = sorted({one for end in _KEPT for one in path.parent.glob(f"{path.name}.{end}")})
    if not kept:
        return None
    size = sum(one.stat().st_size for one in kept) / (1 << 20)
    names = ", ".join(one.name for one in kept)
    return sound("state: kept aside", f"{names} ({size:.1f} MiB); remove what you do not need")
