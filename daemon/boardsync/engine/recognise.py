"""Finds a board again that has another name by now, by the marks of what we put there.

Only asked when nothing is known of a subfolder's board and none has its name: a state that was
lost, and a board that was renamed. Making another would double every picture.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence

import structlog

from boardsync.engine.context import Mirror
from boardsync.errors import FileChanging, PictureRefused
from boardsync.files.snapshot import digest_file
from boardsync.model import Board, Item
from boardsync.plan.tokens import token_for
from boardsync.state import observations, places

log = structlog.get_logger(__name__)

SAMPLE = 8
"""Pictures that are looked for. A person can have put a few of ours on other boards."""


async def recognise_board(
    mirror: Mirror, subfolder: bytes, boards: Sequence[Board]
) -> Board | None:
    """Return the board that holds most of a sample of a subfolder's pictures, as we sent them.

    boards: those that are there, oldest first. None when no other board holds any. Raises as
    asking does.
    """
    digests = await asyncio.to_thread(_sample, mirror, subfolder)
    free = {one.board_id: one for one in boards if one.board_id not in _taken(mirror)}
    holding: Counter[str | None] = Counter()
    for digest in digests:
        holding.update(await _boards_with(mirror, digest, free))
    if not holding:
        return None
    most = max(holding.values())
    found = next(one for board_id, one in free.items() if holding[board_id] == most)
    log.warning(
        "no board has this name, but one holds pictures that this mirror sent: it is used",
        board=found.name, board_id=found.board_id, pictures=f"{most} of {len(digests)} looked for",
    )  # fmt: skip
    return found


def _sample(mirror: Mirror, subfolder: bytes) -> list[str]:
    """Hash some of a subfolder's pictures, those apart that were pulled."""
    digests: dict[str, None] = {}
    with mirror.state.read() as connection:
        for path, *_ in observations.known_files(connection, mirror.number, subfolder):
            layout = mirror.layout
            if layout.subfolder_of(path) != subfolder or layout.is_pulled_area(path):
                continue
            try:
                digests[digest_file(mirror.absolute(path), mirror.disk)[0]] = None
            except (FileChanging, PictureRefused):
                continue
            if len(digests) == SAMPLE:
                break
    return list(digests)


def _taken(mirror: Mirror) -> set[str | None]:
    """Return the boards that are those of other subfolders."""
    with mirror.state.read() as connection:
        return {one.server_id for one in places.boards(connection, mirror.number)}


async def _boards_with(
    mirror: Mirror, digest: str, among: Collection[str | None]
) -> set[str | None]:
    """Return the boards that hold a picture with exactly our mark."""
    token = token_for(mirror.key, digest)
    found: dict[str | None, list[Item]] = {}
    for item in await mirror.server.find(token):
        if item.board_id in among and not item.trashed:
            found.setdefault(item.board_id, []).append(item)
    holding = set()
    for board_id, items in found.items():
        marks = await mirror.server.marks(board_id, [one.item_id for one in items])
        ours = (mirror.key, token, digest)
        if any(mark and (mark.mirror, mark.token, mark.file) == ours for mark in marks.values()):
            holding.add(board_id)
    return holding
