"""The doctor's look at pictures that were saved before a deletion and that nothing tells of."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial

from boardsync.config.model import Settings
from boardsync.engine.kept_orphans import Orphans, enter_orphans, find_orphans
from boardsync.engine.symptom import Symptom, ill
from boardsync.state.database import State

UNIT = 1_000_000


def kept_symptoms(settings: Settings, state: State | None) -> list[Symptom]:
    """Look at what is saved of each server; mending enters it into the trash."""
    if state is None:
        return []
    return [
        one for found in find_orphans(settings, state) for one in _judged(settings, state, found)
    ]


def _judged(settings: Settings, state: State, found: Orphans) -> Iterator[Symptom]:
    subject, place = f"server {found.server}: saved", os.fsdecode(found.place)
    if found.known:
        size = sum(kept.size for _, kept in found.known)
        words = (
            f"{_many(len(found.known), size)} saved before a deletion, of which the trash does not"
            " tell; they are entered into it once a day, and go after its time"
        )
        yield ill(subject, words, partial(_mend, settings, state))
    if found.copies:
        words = (
            f"{_many(len(found.copies), sum(one.size for one, _ in found.copies))} saved once more"
            " than needed; they go once a day"
        )
        yield ill(subject, words, partial(_mend, settings, state))
    if found.strange:
        size = sum(kept.size for kept in found.strange)
        yield ill(
            subject,
            f"{_many(len(found.strange), size)} of boards that no mirror has; look at them in"
            f" {place}, and remove by hand what nobody wants",
        )
    if found.unreadable:
        yield ill(
            subject,
            f"{found.unreadable} directories in {place} whose about.json cannot be read; look at"
            " the pictures in them",
        )


def _mend(settings: Settings, state: State) -> str:
    count = enter_orphans(settings, state, time.time_ns() // 1_000_000)
    return f"{_pictures(count)} entered into the trash; `boardsync trash list` tells of them"


def _many(count: int, size: int) -> str:
    return f"{_pictures(count)} ({size / UNIT:.1f} MB)"


def _pictures(count: int) -> str:
    return f"{count} picture{'' if count == 1 else 's'}"
