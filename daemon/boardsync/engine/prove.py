"""Sees items of ours whole that were only listed: a server may have been killed writing one.

An upload whose answer was lost is looked up before anything else. But when the state was lost as
well, all that is left of it is an item with our mark, which is listed whether its bytes are there
or not. So what a listing alone tells of is linked at once, and looked at afterwards, the newest
first and some in each pass: nothing that is whole is sent again, and nothing waits for the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.lookup import GHOST_SECONDS
from boardsync.errors import BoardsyncError, FileChanging, Missing
from boardsync.model import Entry, Item, LinkState
from boardsync.state import items_seen, links, places, unproven
from boardsync.state.records import BoardRecord
from boardsync.state.unproven import Unproven

log = structlog.get_logger(__name__)

AT_FIRST = 32
AT_A_TIME = 500
"""What a server was killed over is among the newest; the others can wait for further passes."""
AT_ONCE = 4
AGAIN_MS = 30_000
"""After the server did not answer."""


async def prove_items(mirror: Mirror, board: BoardRecord) -> int | None:
    """Look at the newest items of a board that were not seen whole yet, if the server answers.

    Returns when the next look is due, None when nothing is left.
    """
    with mirror.state.read() as connection:
        most = AT_A_TIME if board.id in mirror.proving else AT_FIRST
        found = unproven.newest(connection, board.id, most)
    if not found:
        return None
    mirror.proving.add(board.id)
    if mirror.gate.wait_seconds() == 0:
        try:
            return await _look(mirror, board, found, may_be_more=len(found) == most)
        except BoardsyncError as error:
            log.info("it is not known yet whether all items are whole", reason=str(error))
            mirror.gate.failed(error, looking=True)
    return now_ms(mirror.clock) + AGAIN_MS


async def _look(
    mirror: Mirror, board: BoardRecord, found: Sequence[Unproven], *, may_be_more: bool
) -> int | None:
    ours = [one for one in found if one.mark is not None and one.mark.mirror == mirror.key]
    torn = await _torn(mirror, ours)
    waiting = {one.item.item_id for one in torn}
    moment = now_ms(mirror.clock)
    # A clock that was set back begins anew: what is being stored now gets its time.
    early = [one.item.item_id for one in torn if one.since_ms > moment]
    settled = [one.item.item_id for one in found if one.item.item_id not in waiting]
    await mirror.state.write(lambda c: _write(c, board.id, settled, early, moment))
    ghosts = [one for one in torn if moment - one.since_ms >= GHOST_SECONDS * 1000]
    for one in ghosts:
        await _remove(mirror, board, one.item)
    if may_be_more and len(torn) < len(found):
        return moment
    due = [
        min(one.since_ms, moment) + int(GHOST_SECONDS * 1000) for one in torn if one not in ghosts
    ]
    return min(due, default=None)


def _write(
    c: Connection, board: int, settled: Sequence[str], early: Sequence[str], moment: int
) -> None:
    unproven.prove(c, board, [*settled, *early])
    unproven.note(c, board, early, moment)


async def _torn(mirror: Mirror, ones: Sequence[Unproven]) -> list[Unproven]:
    """Return those of which the server does not hold the whole."""
    room = asyncio.Semaphore(AT_ONCE)

    async def whole(one: Unproven) -> bool:
        async with room:
            try:
                return await mirror.server.complete(one.item, glance=True)
            except Missing:
                return True  # the next listing tells that it is gone

    answers = await asyncio.gather(*(whole(one) for one in ones))
    return [one for one, answer in zip(ones, answers, strict=True) if not answer]


async def _remove(mirror: Mirror, board: BoardRecord, item: Item) -> None:
    """Part a ghost from its files for good, then delete it: the files are sent anew.

    In between, and if it cannot be deleted, it is an item that nobody has read: uploads wait for
    it until the board is looked at again.
    """
    log.warning(
        "the server never finished storing this picture: it is removed there and sent again",
        item=item.item_id, board=board.name,
    )  # fmt: skip

    def let_go(c: Connection) -> None:
        for link in links.of_item(c, board.id, item.item_id):
            if link.state == LinkState.AGREED.value:
                links.forget(c, link.id)
        items_seen.see_entries(c, board.id, [Entry(item.item_id, item.version)])
        places.forget_listing(c, board.id)

    mirror.seen_boards.discard(board.id)
    await mirror.state.write(let_go)
    mirror.hints.boards("an item that was not whole is looked at again")
    try:
        await mirror.server.delete_ghost(item)
    except FileChanging:
        return  # whole by now: it is read again, and linked again
    await mirror.state.write(lambda c: items_seen.forget_items(c, board.id, [item.item_id]))
