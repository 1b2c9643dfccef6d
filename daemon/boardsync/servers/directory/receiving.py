"""Answering a batch of uploads: one answer each, in order, whatever happens to the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from boardsync.errors import BoardsyncError, Bug, ItemChanged, NotAuthorised, Refused
from boardsync.model import Item, Outcome, Upload, UploadResult
from boardsync.servers.directory.boards import DirectoryBoards, describe
from boardsync.servers.directory.origins import require_key
from boardsync.servers.directory.replacing import Replacing
from boardsync.servers.directory.store import Store
from boardsync.servers.directory.sweep import sweep
from boardsync.servers.directory.trouble import classified
from boardsync.servers.directory.versions import versions_now
from boardsync.servers.port import BoardId


class Receiving:
    """Takes batches for the boards of one server. `clock_ns` is the wall clock."""

    def __init__(self, boards: DirectoryBoards, clock_ns: Callable[[], int]) -> None:
        self._boards = boards
        self._clock_ns = clock_ns
        self._swept: set[str] = set()
        self._log = structlog.get_logger(__name__)

    def receive(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        """Store a batch. Raises, with nothing stored, when the board is not there or read-only."""
        for upload in uploads:
            if upload.replaces is not None:
                _check_replacement(board_id, upload, upload.replaces)
        path = self._boards.open(board_id, claim=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise NotAuthorised(f"board {board_id!r}: {path} cannot be written; allow it")
        store = Store(path, self._boards.recall, versions_now())
        return [self._one(board_id, store, upload) for upload in uploads]

    def _one(self, board_id: BoardId, store: Store, upload: Upload) -> UploadResult:
        try:
            with classified(f"picture {upload.name!r}: storing it on board {board_id!r}"):
                if upload.replaces is None:
                    outcome, place = store.receive(upload)
                else:
                    replacing = Replacing(str(board_id), store, self._boards.trash)
                    outcome, place = replacing.receive(upload, upload.replaces)
        except ItemChanged as change:
            return UploadResult(Outcome.CHANGED, error=change)
        except Refused as refusal:
            return UploadResult(Outcome.REFUSED, error=refusal)
        except BoardsyncError as error:
            return UploadResult(Outcome.UNKNOWN, error=error)
        self._sweep_once(place.folder)
        item = describe(board_id, place, store.versions)
        sized = replace(item, width=upload.width or None, height=upload.height or None)
        return UploadResult(outcome, sized)

    def _sweep_once(self, folder: str) -> None:
        """Clear old leftovers from a folder, the first time something is stored there.

        A leftover that cannot be removed harms nobody, so it does not harm the upload either.
        """
        if folder in self._swept:
            return
        self._swept.add(folder)
        try:
            removed = sweep(folder, self._clock_ns())
        except OSError as error:
            self._log.warning("leftovers cannot be cleared", folder=folder, error=str(error))
        else:
            if removed:
                self._log.info("leftovers of broken uploads cleared", folder=folder, count=removed)


def _check_replacement(board_id: BoardId, upload: Upload, old: Item) -> None:
    """Raise Bug for what no engine may ask."""
    require_key(upload.trash_key)
    if old.board_id != board_id:
        raise Bug(f"picture {upload.name!r}: replaces an item of another board")
