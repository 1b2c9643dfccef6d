"""The doctor's look at the search index, which can be made anew at any time."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from boardsync.config.model import Settings
from boardsync.engine.symptom import Symptom, ill, sound
from boardsync.errors import BoardsyncError
from boardsync.index.database import remove
from boardsync.index.standing import fault_of
from boardsync.state.database import State


def index_symptoms(settings: Settings, _: State | None) -> list[Symptom]:
    """Look through the index; mending removes a damaged one."""
    path = settings.index
    if path is None:
        return []
    subject = f"index {path}"
    try:
        fault = fault_of(path)
    except BoardsyncError as error:
        return [ill(subject, str(error))]
    if fault is None:
        return [sound(subject, "intact" if path.exists() else "none yet")]
    return [ill(subject, f"damaged: {fault}", partial(_remove, path))]


def _remove(path: Path) -> str:
    remove(path)
    return "removed; a running daemon makes it anew, or `boardsync index`"
