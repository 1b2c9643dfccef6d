"""Sends pictures again that strayed, or are prepared otherwise now, as a person asked for it.

A mark is found by its picture, however that was prepared: two items of one picture would be
doubles. So the old item goes to the trash first, and only where it was ours, where the picture
would really become another one, and where it is not starred. Then its links are forgotten, and
the next pass sends the files as new ones.
"""

from __future__ import annotations

import asyncio
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.engine.action_words import SENT_AGAIN
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.parcel import prepare_for, require_whole
from boardsync.engine.remove import Remover, removal_key
from boardsync.errors import FileChanging, PictureRefused
from boardsync.files.snapshot import read_snapshot
from boardsync.model import Action, ActionKind, Item, LinkState, Mark, TransferState
from boardsync.plan.tokens import token_for
from boardsync.state import items_seen, links, places, runs, strayed, transfers, trash
from boardsync.state.records import BoardRecord, LinkRecord, TransferRecord

log = structlog.get_logger(__name__)


def sending_again(mirror: Mirror, link: LinkRecord) -> tuple[int, Action]:
    """Return what is to be planned for a link, with our number of its board."""
    return link.board, Action(
        ActionKind.SEND_AGAIN, mirror.key, SENT_AGAIN, path=link.path, digest=link.digest,
        item_id=link.item_id, version=link.version, token=token_for(mirror.key, link.digest),
        link=link.id,
    )  # fmt: skip


def why_not_sent(mirror: Mirror, path: bytes) -> str | None:
    """Return why a file is not sent by the present settings, whatever it holds."""
    if not mirror.settings.direction.pushes:
        return "this mirror only pulls"
    if mirror.rules().verdict(path, False) is not None:
        return "a rule leaves its file alone"
    return None


class AgainSender(Remover):
    """Makes room for the pictures of one mirror that are to be sent again."""

    async def send_again(self, transfer: TransferRecord) -> None:
        """Put an item into the trash whose file is to be sent again. Errors end in the state."""
        await self._guarded(transfer, self._send_again(transfer))

    async def _send_again(self, transfer: TransferRecord) -> None:
        board, link = self._board(transfer), self._link(transfer)
        item = await self._item(board, transfer)
        if item is not None and not item.trashed:
            await self._demand_another(board, transfer, link, item)
        elif transfer.state is not TransferState.SENDING:
            raise FileChanging("its item is gone already")
        await self._intend_removal(transfer, partial(_demand_linked, link))
        # After a kill it may be in the trash already: the same key finds it there.
        found = item or Item(str(transfer.item_id), board.server_id, transfer.version)
        trashed_id = await self._mirror.server.trash(found, removal_key(transfer))
        write = partial(
            self._made_room, transfer=transfer, board=board, item=found, trashed_id=trashed_id
        )
        await self._mirror.state.write(write)
        log.info("to be sent again", path=link.path, item=found.item_id, board=board.name)
        self._mirror.hints.boards("a picture is to be sent again")

    async def _demand_another(
        self, board: BoardRecord, transfer: TransferRecord, link: LinkRecord, item: Item
    ) -> None:
        """Raise FileChanging unless the item is as we sent it, and would be another one now."""
        if (item.board_id, item.version) != (board.server_id, transfer.version):
            raise FileChanging("its item was moved, or changed")
        if item.starred:
            raise FileChanging("its item is starred")
        marks = await self._mirror.server.marks(board.server_id, [item.item_id])
        mark = marks.get(item.item_id)
        if mark is None or (mark.mirror, mark.file) != (self._mirror.key, link.digest):
            raise FileChanging("its item is not what this mirror sent")
        await asyncio.to_thread(self._demand_sending, link, mark)

    def _demand_sending(self, link: LinkRecord, mark: Mark) -> None:
        """Prepare the file once more, to see whether it would be sent, and be anything else."""
        mirror = self._mirror
        with mirror.state.read() as connection:
            strayed_now = strayed.words_of(connection, link.id) is not None
        kept = why_not_sent(mirror, link.path)
        if kept is not None:
            raise FileChanging(kept)
        try:
            path, most = mirror.absolute(link.path), mirror.limits().max_bytes
            snapshot = read_snapshot(path, most, mirror.disk)
            if snapshot.digest != link.digest:
                raise FileChanging("the file was changed")
            require_whole(snapshot.content)
            recipe = prepare_for(mirror, snapshot.content).recipe
        except PictureRefused as error:
            log.warning("stays as it was sent", path=link.path, reason=str(error))
            raise FileChanging(f"it would be refused now: {error}") from error
        if recipe == mark.recipe and not strayed_now:
            raise FileChanging("it would be prepared as it was")

    def _made_room(
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
        for link in links.of_item(c, board.id, item.item_id):
            if link.state == LinkState.AGREED.value:
                links.forget(c, link.id)
        items_seen.forget_items(c, board.id, [item.item_id])
        places.forget_listing(c, board.id)
        transfers.finish(c, transfer.id)
        runs.count(c, transfer.run, moment, trashed=1)


def _demand_linked(link: LinkRecord, c: Connection) -> None:
    """Raise FileChanging where a link was decided otherwise meanwhile."""
    now = links.find(c, link.id)
    if now is None or now.state != LinkState.AGREED.value:
        raise FileChanging("it was decided otherwise meanwhile")
