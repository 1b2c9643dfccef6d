"""Finds out what became of an upload whose answer was lost, before anything is sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.model import Item, LinkState, Mark, TransferState
from boardsync.state import cases, items_seen, links
from boardsync.state.records import BoardRecord, TransferRecord

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 3.0
"""A commit can come later than the answer that was lost: look twice, this far apart."""
LOOKUPS_BEFORE_SENDING = 2
GHOST_SECONDS = 60.0
"""How long an item of ours may stay incomplete before it counts as a failed upload's ghost."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """The picture is on the board: this item is ours and whole."""

    item: Item
    mark: Mark


@dataclass(frozen=True, slots=True)
class LookLater:
    """It cannot be told yet."""

    seconds: float = LOOK_AGAIN_SECONDS


@dataclass(frozen=True, slots=True)
class NotThere:
    """Nothing of it is on the board: it may be sent (again)."""


UNSETTLED = (TransferState.UNKNOWN, TransferState.SENDING)
Finding = Arrived | LookLater | NotThere


def doubtful_tokens(
    mirror: Mirror, connection: Connection, board: BoardRecord, batch: Sequence[TransferRecord]
) -> set[str | None]:
    """Return the tokens of those pictures that may be on their board already.

    SENDING without a sender is an intent whose process ended. And a plan out of an old state
    file may have come true since: then a listing showed an item with its token, unless it left
    something out.
    """
    if board.id in mirror.partly_listed:
        return {one.token for one in batch}
    tokens = [str(one.token) for one in batch]
    doubted = {one.token for one in batch if one.state in UNSETTLED}
    return doubted.union(cases.arrived_tokens(connection, board.id, tokens))


async def look_up(mirror: Mirror, board: BoardRecord, transfer: TransferRecord) -> Finding:
    """Ask the server for the token. Ghosts are removed when they are old enough to be ones."""
    own = await _own_items(mirror, board, transfer)
    for item, mark in own:
        if await mirror.server.complete(item):
            if len(own) > 1:
                log.warning("surplus items carry this token", items=[i.item_id for i, _ in own])
            return Arrived(item, mark)
    if not own:
        again = transfer.lookups + 1 < LOOKUPS_BEFORE_SENDING
        return LookLater() if again else NotThere()
    now = now_ms(mirror.clock)
    # Since when it may be in the making, by whichever clock knows.
    since = transfer.first_sent_ms or own[0][0].created_ms or now
    # A clock that was set back does not make us wait for it: then the look-ups count.
    waited = (now - since) / 1000 if now >= since else transfer.lookups * LOOK_AGAIN_SECONDS
    if waited < GHOST_SECONDS:
        return LookLater()
    await _remove_ghosts(mirror, board, [item for item, _ in own])
    return NotThere()


async def _own_items(
    mirror: Mirror, board: BoardRecord, transfer: TransferRecord
) -> list[tuple[Item, Mark]]:
    """Find our items: on this board, with exactly our mark, linked to no other picture.

    A person may have put a copy that carries our token on another board, or on this one. The
    oldest comes first; where each path has its item, before those that were another path's once.
    """
    expected = (mirror.key, transfer.token, transfer.digest)
    found = await mirror.server.find(str(transfer.token))
    hits = [item for item in found if item.board_id == board.server_id]
    marks = await mirror.server.marks(board.server_id, [item.item_id for item in hits])
    fresh, had = list[tuple[Item, Mark]](), list[tuple[Item, Mark]]()
    one_item = mirror.policy().one_item
    with mirror.state.read() as connection:
        for item in sorted(hits, key=lambda one: (one.created_ms or 0, one.item_id)):
            mark = marks.get(item.item_id)
            if mark is None or (mark.mirror, mark.token, mark.file) != expected:
                continue
            known = links.of_item(connection, board.id, item.item_id)
            others = [
                one for one in known
                if (one.state, one.version) == (LinkState.AGREED.value, item.version)
            ]  # fmt: skip
            # A copy of the same picture may have found it first: one item, two links.
            same = one_item and all(one.digest == transfer.digest for one in others)
            if same or not others:
                strange = any(one.path != transfer.path for one in known)
                (had if strange and not one_item else fresh).append((item, mark))
    return fresh + had


async def _remove_ghosts(mirror: Mirror, board: BoardRecord, ghosts: list[Item]) -> None:
    for item in ghosts:
        log.warning("removing the ghost of a failed upload", item=item.item_id)
        await mirror.server.delete_ghost(item)
    gone = [item.item_id for item in ghosts]
    await mirror.state.write(lambda c: items_seen.forget_items(c, board.id, gone))
