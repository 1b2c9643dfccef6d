"""Notices that a server does not know boards and items that it knew, before anything is decided.

Each item alone would look deleted, and each board's name free to be made anew. Neither is true:
the mirror waits as a whole until the server is itself again, or a person says what is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.errors import BoardMissing, ServerForgot
from boardsync.model import Board
from boardsync.plan.forgotten import AskedBoard, has_forgotten
from boardsync.state import items_seen, links, places
from boardsync.state.records import BoardRecord

SAMPLE = 10


async def find_forgotten(mirror: Mirror) -> ServerForgot | None:
    """Return the trouble of a server that forgot; None when no board is missing, or only that.

    Asks nothing while no board with linked items is missing. A board that is gone together with its
    subfolder was deleted with it. Raises as asking does.
    """
    with mirror.state.read() as connection:
        boards = [
            one for one in places.boards(connection, mirror.number)
            if one.missing_since_ms is None
            or mirror.disk.lexists(mirror.absolute(one.subfolder))
        ]  # fmt: skip
        if all(one.missing_since_ms is None for one in boards):
            return None
        found = {one: links.newest_items(connection, one.id, SAMPLE) for one in boards}
    linked = {one: items for one, items in found.items() if items}
    there = await mirror.server.boards()
    missing = [one for one in linked if _is_missing(mirror, one, there)]
    asked = []
    for one, items in linked.items():
        known = await _known(mirror, one, items)
        asked.append(AskedBoard(one in missing, len(items), known))
    if not has_forgotten(asked):
        return None
    moment = now_ms(mirror.clock)
    for one in missing:
        await mirror.state.write(partial(places.note_board_missing, board_id=one.id, now_ms=moment))
    return _in_words(mirror, missing, sum(one.asked for one in asked if one.missing))


def _is_missing(mirror: Mirror, board: BoardRecord, there: Sequence[Board]) -> bool:
    """Tell whether a board is gone, and nobody has made another one of its name since."""
    if board.server_id is None or any(one.board_id == board.server_id for one in there):
        return False
    with mirror.state.read() as connection:
        newest = items_seen.newest_created_ms(connection, board.id) or 0
    made_since = [
        one for one in there
        if one.name == board.asked and one.created_ms is not None and one.created_ms >= newest
    ]  # fmt: skip
    return not made_since


async def _known(mirror: Mirror, board: BoardRecord, items: Sequence[str]) -> int:
    try:
        return len(await mirror.server.items(board.server_id, items))
    except BoardMissing:
        return 0


def _in_words(mirror: Mirror, missing: Sequence[BoardRecord], sampled: int) -> ServerForgot:
    names = ", ".join(repr(one.name) for one in missing[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    one = len(missing) == 1
    was = "board {} was deleted with its pictures" if one else "boards {} were deleted with theirs"
    return ServerForgot(
        f"server {mirror.server.name!r} knows none of {sampled} pictures that were asked for, nor"
        f" where they were: {was.format(names + more)}, or the server was reset, restored from a"
        " backup, or is another one now. Nothing is deleted, sent or fetched. It goes on when they"
        " are back, or when somebody makes boards of these names; `boardsync again --all"
        f" {mirror.name}` makes the boards and sends everything again"
    )
