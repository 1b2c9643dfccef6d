"""What tests of undo share: how to take a run back, and where things lie afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from boardsync.engine.once import MirrorResult
from boardsync.engine.report import history
from boardsync.engine.undo import Undone, undo
from engine.world import World

TRASH = {"file_deleted": "trash", "item_deleted": "trash"}
APART = 3600.0
"""Between the times of files and of items: of one moment they might be the same picture."""


def newest_run(here: World) -> int:
    return int(history(here.assembly.settings, here.state, limit=1)[0]["id"])


async def take_back(here: World, run: int | None = None) -> Undone:
    return await undo(here.assembly, newest_run(here) if run is None else run)


def runs_after(here: World, run: int) -> list[int]:
    """Return the runs since one, newest first: a removal waits for a pass of its own."""
    told = history(here.assembly.settings, here.state)
    return [int(one["id"]) for one in told if one["id"] > run]


def words_of(done: Undone) -> list[tuple[str, bool, str]]:
    return [(one.picture, one.done, one.words) for one in done.told]


def idle(result: MirrorResult) -> bool:
    """Tell whether a pass found nothing to do."""
    did = (result.uploaded, result.downloaded, result.linked, result.moved, result.trashed)
    return not any(did) and result.good


def item_of(here: World, content: bytes) -> str:
    stored = here.server.on_board(here.board().board_id)
    return next(one.item.item_id for one in stored if one.content == content)


def in_local_trash(here: World) -> list[bytes]:
    root = here.base / ".boardsync-trash"
    return sorted(path.read_bytes() for path in root.rglob("*") if path.is_file())


def in_server_trash(here: World) -> list[bytes]:
    return sorted(stored.content for stored in here.server.in_the_trash())


class Killed(BaseException):
    """The process ends here."""


def kill_at(
    here: World, number: int, calls: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """End at the n-th of the steps that change anything: commits, and calls of the server."""
    left = [number]

    def counted(step: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        async def stepping(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < int(not after):
                raise Killed
            result = await step(*arguments, **named)
            if left[0] < 1:
                raise Killed
            return result

        return stepping

    monkeypatch.setattr(here.state, "write", counted(here.state.write, after=False))
    for name in calls:
        step = counted(getattr(here.server, name), after=True)
        monkeypatch.setattr(here.server, name, step)
