"""Settles doubles of our own making: one item of each picture stays, the others go to the trash.

What a plan saw is looked at again on the server before anything is moved, and judged by the same
rules: the one that stays has to be there, whole, and older than the one that goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.lookup import GHOST_SECONDS, LOOK_AGAIN_SECONDS
from boardsync.engine.remove import Remover, removal_key
from boardsync.errors import FileChanging, Missing
from boardsync.model import Action, ActionKind, Item, LinkState, Mark, TransferState
from boardsync.plan.doubles import Copy, Doubles, judge
from boardsync.state import doubles, items_seen, links, places, runs, transfers, trash
from boardsync.state.records import BoardRecord, TransferRecord

log = structlog.get_logger(__name__)

REASON = "a double of a picture that was sent twice"
Boards = dict[bytes, BoardRecord]


def decide_doubles(
    mirror: Mirror, connection: Connection, boards: Boards
) -> Iterator[tuple[int, Action]]:  # fmt: skip
    """Yield removals of surplus doubles. boards: by subfolder, those that were seen whole."""
    if not (mirror.policy().pushes and mirror.server.capabilities.trash):
        return
    seen = {board.id: board for board in boards.values()}
    for picture in doubles.pictures(connection, mirror.key, seen):
        if picture.busy:
            continue
        board = seen[picture.board]
        for copy in judge(picture.copies, one_item=mirror.policy().one_item).surplus:
            yield (
                board.id,
                Action(
                    ActionKind.TRASH_DOUBLE, mirror.key, REASON, path=picture.path,
                    digest=picture.digest, board_id=board.server_id, item_id=copy.item_id,
                    version=copy.version, token=picture.token, subfolder=board.subfolder,
                ),
            )  # fmt: skip


class DoubleRemover(Remover):
    """Carries out the removals of doubles of one mirror."""

    async def trash_double(self, transfer: TransferRecord) -> None:
        """Put a double into the trash. Errors end in the state, never in the caller."""
        await self._guarded(transfer, self._trash_double(transfer))

    async def _trash_double(self, transfer: TransferRecord) -> None:
        board = self._board(transfer)
        found = await self._look(board, transfer)
        if await self._waits_for_ghosts(board, transfer, found):
            return
        judged = judge([copy for _, copy in found], one_item=self._mirror.policy().one_item)
        item = next((one for one, copy in found if copy.item_id == transfer.item_id), None)
        if item is None and transfer.state is not TransferState.SENDING:
            raise FileChanging("it is gone already")
        surplus = None if item is None else _demand_surplus(transfer, judged)
        await self._intend_removal(transfer, partial(self._relink, board=board, copies=surplus))
        # After a kill it may be in the trash already: the same key finds it there.
        gone = item or Item(str(transfer.item_id), board.server_id, transfer.version)
        trashed_id = await self._mirror.server.trash(gone, removal_key(transfer))
        await self._mirror.state.write(
            partial(
                self._double_removed, transfer=transfer, board=board, item=gone,
                trashed_id=trashed_id,
            )
        )  # fmt: skip
        log.info("double put into the trash", path=transfer.path, item=gone.item_id)

    async def _look(
        self, board: BoardRecord, transfer: TransferRecord
    ) -> list[tuple[Item, Copy]]:  # fmt: skip
        """Ask the server for every item that carries exactly our mark; record what it says."""
        mirror, server = self._mirror, self._mirror.server
        with mirror.state.read() as connection:
            known = doubles.of_tokens(connection, mirror.key, board.id, [str(transfer.token)])
        copies = {copy.item_id: copy for picture in known for copy in picture.copies}
        items = await server.items(board.server_id, sorted(copies))
        here = [one for one in items if one.board_id == board.server_id and not one.trashed]
        marks = await server.marks(board.server_id, [one.item_id for one in here])
        described = [(one, marks.get(one.item_id)) for one in here]
        await mirror.state.write(lambda c: items_seen.describe_items(c, board.id, described))
        return [
            (item, await self._copy(item, copies[item.item_id]))
            for item, mark in described
            if _is_ours(mark, mirror.key, transfer)
        ]

    async def _copy(self, item: Item, known: Copy) -> Copy:
        try:
            whole = await self._mirror.server.complete(item)
        except Missing:
            whole = False
        return replace(
            known, version=item.version, created_ms=item.created_ms, starred=item.starred,
            linked=known.linked and item.version == known.version, whole=whole,
        )  # fmt: skip

    async def _waits_for_ghosts(
        self, board: BoardRecord, transfer: TransferRecord, found: list[tuple[Item, Copy]]
    ) -> bool:
        """Wait for items that are not whole; those that never become it are deleted."""
        ghosts = [
            item for item, copy in found if not (copy.whole or copy.linked or copy.settled)
        ]  # fmt: skip
        if not ghosts:
            return False
        moment = now_ms(self._mirror.clock)
        if moment - transfer.created_ms < GHOST_SECONDS * 1000:
            later = moment + int(LOOK_AGAIN_SECONDS * 1000)
            await self._change(transfer, not_before_ms=later)
            return True
        for item in ghosts:
            log.warning("removing the ghost of a failed upload", item=item.item_id)
            await self._mirror.server.delete_ghost(item)
        gone = [item.item_id for item in ghosts]
        await self._mirror.state.write(lambda c: items_seen.forget_items(c, board.id, gone))
        raise FileChanging("it was the ghost of a failed upload")

    def _relink(
        self, c: Connection, *, board: BoardRecord, copies: tuple[Copy, Copy] | None
    ) -> None:  # fmt: skip
        """Let the files of a surplus copy have the item that stays. copies: old and new."""
        if copies is None:
            return
        (old, new), moment = copies, now_ms(self._mirror.clock)
        for link in links.of_item(c, board.id, old.item_id):
            if link.state == LinkState.AGREED.value:
                links.follow_item(c, link, new.item_id, new.version, moment)

    def _double_removed(
        self, c: Connection, *, transfer: TransferRecord, board: BoardRecord, item: Item,
        trashed_id: str,
    ) -> None:  # fmt: skip
        moment = now_ms(self._mirror.clock)
        trash.add(
            c, moment, mirror=transfer.mirror, run=transfer.run, side=trash.ITEM,
            reason=transfer.reason, guarded=False, path=transfer.path, digest=transfer.digest,
            board=board.id, item_id=item.item_id, version=item.version, trashed_id=trashed_id,
            size=item.size,
        )  # fmt: skip
        links.note_change(c, transfer.mirror)
        items_seen.forget_items(c, board.id, [item.item_id])
        places.forget_listing(c, board.id)
        transfers.finish(c, transfer.id)
        runs.count(c, transfer.run, moment, trashed=1)


def _demand_surplus(transfer: TransferRecord, judged: Doubles) -> tuple[Copy, Copy]:
    """Return what may go, and what stays in its place. Raises FileChanging."""
    chosen = next((one for one in judged.surplus if one.item_id == transfer.item_id), None)
    if chosen is None or judged.keep is None:
        raise FileChanging("it is no surplus any more")
    return chosen, judged.keep


def _is_ours(mark: Mark | None, key: str, transfer: TransferRecord) -> bool:
    expected = (key, transfer.token, transfer.digest)
    return mark is not None and (mark.mirror, mark.token, mark.file) == expected
