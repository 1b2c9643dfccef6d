"""Carries out uploads so that each picture arrives exactly once.

Safe to kill at any instruction: the intent is durable before the first byte, and an intent
without an outcome is looked up by its token before anything is sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy import Connection

from boardsync.engine.attempt import blame, postpone, put_back
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.lookup import UNSETTLED, Arrived, NotThere, doubtful_tokens, look_up
from boardsync.engine.parcel import (
    Overtaken,
    Parcel,
    Unripe,
    is_shared_since,
    path_of,
    read_parcel,
    replaced_item,
    upload_of,
)
from boardsync.engine.pulled_before import item_pulled_from
from boardsync.engine.remove import removal_key
from boardsync.errors import (
    BoardsyncError,
    FileChanging,
    ItemChanged,
    Missing,
    OutcomeUnknown,
    Refused,
)
from boardsync.files.snapshot import Snapshot
from boardsync.model import Item, Mark, Outcome, TransferState, Upload, UploadResult
from boardsync.plan.backoff import delay_seconds
from boardsync.state import (
    absence,
    departures,
    items_seen,
    links,
    observations,
    places,
    rot,
    runs,
    transfers,
    trash,
    unproven,
)
from boardsync.state.departures import Departures
from boardsync.state.records import BoardRecord, TransferRecord

log = structlog.get_logger(__name__)


BATCH_BYTES = 16 << 20
"""From how much on a batch is sent although it could hold more: it is all in memory."""


class Pusher:
    """Carries out the uploads of one mirror."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    async def carry(self, batch: Sequence[TransferRecord]) -> None:
        """Carry out transfers of one board. Errors end in the state, never in the caller.

        The batch holds at most `capabilities.batch` transfers, each with its own token.
        """
        with self._mirror.state.read() as connection:
            board = places.board_by_id(connection, batch[0].board)
            doubtful = doubtful_tokens(self._mirror, connection, board, batch)
            since = departures.newest(connection)
        parcels: list[Parcel] = []
        for transfer in batch:
            parcel = await self._pack(board, transfer, since, doubtful=transfer.token in doubtful)
            if parcel is not None:
                parcels.append(parcel)
            if sum(one.size for one in parcels) >= BATCH_BYTES:
                await self._send(board, parcels, since)
                parcels.clear()
        if parcels:
            await self._send(board, parcels, since)

    async def _pack(
        self, board: BoardRecord, transfer: TransferRecord, since: Departures, *, doubtful: bool
    ) -> Parcel | None:
        """Settle an unknown outcome, then read, check and prepare one snapshot of the file.

        since: what had left the boards before the server was asked for anything.
        """
        try:
            if doubtful and not await self._resolve(board, transfer, since):
                return None
            found = await asyncio.to_thread(read_parcel, self._mirror, transfer)
            if isinstance(found, Parcel):
                return None if await self._was_pulled(board, found, since) else found
            if isinstance(found, Unripe):
                await self._ripen(transfer, found.seconds)
            else:
                await self._overtaken(transfer, found)
            return None
        except BoardsyncError as error:
            await self._failed(transfer, error)
            return None

    async def _resolve(
        self, board: BoardRecord, transfer: TransferRecord, since: Departures
    ) -> bool:  # fmt: skip
        """Settle whether the picture is there already. True: it is not, send it."""
        finding = await look_up(self._mirror, board, transfer)
        if isinstance(finding, NotThere):
            # What was not sent since it was planned has no answer to wait for.
            return transfer.state not in UNSETTLED or await self._may_send_again(transfer)
        if isinstance(finding, Arrived):
            await self._agree(board, transfer, finding.item, finding.mark, since)
            return False
        moment = now_ms(self._mirror.clock)
        later = moment + int(finding.seconds * 1000)
        await self._mirror.state.write(
            lambda c: transfers.change(
                c, transfer.id, moment, lookups=transfer.lookups + 1, not_before_ms=later
            )
        )
        return False

    def _has_left(self, c: Connection, board: BoardRecord, item: Item, since: Departures) -> bool:
        """Tell whether an item that was found leaves by our own doing, or has left since."""
        undone = (board.id, item.item_id) in self._mirror.leaving
        return undone or departures.has_left(c, board.id, item.item_id, since)

    async def _may_send_again(self, transfer: TransferRecord) -> bool:
        """Send at once after the first lost answer; after that, wait longer each time."""
        if transfer.attempts <= 1:
            return True
        error = OutcomeUnknown(transfer.error or "its answer was lost")
        wait = delay_seconds(transfer.attempts, str(transfer.token))
        await put_back(
            self._mirror, transfer, error, TransferState.READY, wait, attempts=transfer.attempts
        )
        return False

    async def _ripen(self, transfer: TransferRecord, seconds: float) -> None:
        """Leave a file alone until it has been quiet for long."""
        error = FileChanging(
            "it ends in zeros: either its writer reserved its room and fills it yet, or it is dark"
            " there; it is sent once it has been quiet for some minutes"
        )
        attempts = transfer.attempts
        await put_back(self._mirror, transfer, error, transfer.state, seconds, attempts=attempts)

    async def _was_pulled(self, board: BoardRecord, parcel: Parcel, since: Departures) -> bool:
        """Link a file to the item that it was pulled from instead of sending it."""
        transfer, size = parcel.transfer, parcel.prepared.whole
        item = await item_pulled_from(self._mirror, board, parcel.snapshot, size)
        if item is None:
            return False
        moment = now_ms(self._mirror.clock)
        new = links.NewLink(
            mirror=transfer.mirror, path=parcel.path, digest=parcel.snapshot.digest,
            board=board.id, item_id=item.item_id, version=item.version, made="pull",
            run=transfer.run,
        )  # fmt: skip

        def write(c: Connection) -> bool:
            if self._has_left(c, board, item, since):
                return False
            links.agree(c, new, moment)
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, linked=1)
            return True

        if not await self._mirror.state.write(write):
            return False
        log.info("not sent: pulled from the board once", path=parcel.path, item=item.item_id)
        return True

    async def _overtaken(self, transfer: TransferRecord, found: Overtaken) -> None:
        if found.rule is not None:
            await self._leave_alone(transfer, found.rule)
        else:
            await self._drop(transfer, found.snapshot)

    async def _leave_alone(self, transfer: TransferRecord, rule: str) -> None:
        """Give up a transfer whose file a rule leaves alone since it was planned."""
        log.info("not sent: a rule leaves it alone now", path=transfer.path, rule=rule)

        def write(c: Connection) -> None:
            transfers.finish(c, transfer.id)
            observations.forget_files(c, transfer.mirror, [path_of(transfer)])

        await self._mirror.state.write(write)

    async def _drop(self, transfer: TransferRecord, snapshot: Snapshot | None) -> None:
        """Give up a transfer whose file was changed or removed meanwhile; have it looked at."""
        path = path_of(transfer)
        if snapshot is not None and await self._has_rotted(transfer, snapshot):
            return
        log.info("overtaken: the file changed before it was sent", path=path)
        now = self._mirror.clock.now_ns()

        def write(c: Connection) -> None:
            transfers.finish(c, transfer.id)
            if snapshot is not None:
                observations.see_files(c, transfer.mirror, [(path, snapshot.stat)], now)
            else:  # whether it is gone is for a look to say: its link must hear of it
                observations.doubt_files(c, transfer.mirror, [path])

        await self._mirror.state.write(write)
        self._mirror.hints.path(path)
        # Its token was taken: another path of the same picture may have waited for it.
        self._mirror.hints.boards("an upload was overtaken")

    async def _has_rotted(self, transfer: TransferRecord, snapshot: Snapshot) -> bool:
        """Tell whether a file holds bytes that are known to be rotten; refuse it then.

        They are never content, so a later look would plan the same again.
        """
        with self._mirror.state.read() as connection:
            known = rot.find(connection, transfer.mirror, path_of(transfer))
        if known is None or known.found != snapshot.digest:
            return False
        await self._refuse(transfer, rot.ROTTEN)
        return True

    async def _send(
        self, board: BoardRecord, parcels: Sequence[Parcel], since: Departures
    ) -> None:  # fmt: skip
        """Record the intents, send, record the outcomes."""
        moment = now_ms(self._mirror.clock)
        await self._mirror.state.write(lambda c: _note_intents(c, parcels, moment))
        uploads = [upload_of(self._mirror, board, parcel) for parcel in parcels]
        try:
            results = await self._mirror.server.upload(board.server_id, uploads)
        except BoardsyncError as error:
            # Raised only when it is certain that nothing was stored.
            for parcel in parcels:
                await self._failed(parcel.transfer, error, TransferState.READY)
            return
        # All at once, so that one commit holds a whole batch.
        answered = zip(parcels, uploads, results, strict=True)
        settling = (self._settle(board, *one, since) for one in answered)
        for problem in await asyncio.gather(*settling, return_exceptions=True):
            if problem is not None:
                raise problem

    async def _settle(
        self, board: BoardRecord, parcel: Parcel, upload: Upload, result: UploadResult,
        since: Departures,
    ) -> None:  # fmt: skip
        """Record one outcome."""
        transfer = parcel.transfer
        if result.outcome in (Outcome.STORED, Outcome.EXISTED):
            assert result.item is not None  # noqa: S101
            # What was just made cannot have left; what was found there can.
            known = since if result.outcome is Outcome.EXISTED else None
            await self._agree(board, transfer, result.item, upload.mark, known)
            self._mirror.gate.worked()
        elif result.outcome is Outcome.REFUSED:
            await self._refuse(transfer, str(result.error))
        elif result.outcome is Outcome.CHANGED:
            await self._decide_anew(transfer)
        else:
            await self._unknown(transfer, result.error)

    async def _agree(
        self, board: BoardRecord, transfer: TransferRecord, item: Item, mark: Mark,
        since: Departures | None,
    ) -> None:  # fmt: skip
        """Observation, link and transfer in one transaction.

        since: what had left before an item was found that was there already.
        """
        moment, old = now_ms(self._mirror.clock), replaced_item(board, transfer)
        trashed_id = await self._trashed_id(transfer, old)
        path = path_of(transfer)
        there = await asyncio.to_thread(self._mirror.disk.lexists, self._mirror.absolute(path))

        def write(c: Connection) -> int | None:
            if since is not None and self._has_left(c, board, item, since):
                return None
            if old is not None and trashed_id is not None:
                trash.add(
                    c, moment, mirror=transfer.mirror, run=transfer.run, side=trash.ITEM,
                    reason="newer content of its file replaced it", guarded=False,
                    path=transfer.path, board=board.id, item_id=old.item_id,
                    version=old.version, trashed_id=trashed_id,
                )  # fmt: skip
            items_seen.describe_items(c, board.id, [(item, mark)])
            unproven.prove(c, board.id, [item.item_id])
            superseded = self._link_all(c, board, transfer, item, mark, moment)
            if not there:
                absence.note_files_gone(c, transfer.mirror, [path], moment)
            # What the last listing said is not what is there now.
            places.forget_listing(c, board.id)
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, uploaded=1)
            return superseded

        superseded = await self._mirror.state.write(write)
        if superseded is None:
            left = OutcomeUnknown(f"item {item.item_id} was found while it left its board")
            await self._look_again(transfer, left)
            log.info("found, but leaving; it will be looked up", path=path, item=item.item_id)
            return
        if not there:
            self._mirror.hints.boards("a file vanished while it was sent")
        elif (superseded and old is None) or is_shared_since(self._mirror, transfer):
            self._mirror.hints.boards("newer content was sent")
        picture = (transfer.board, str(transfer.token))
        if picture in self._mirror.awaited:
            self._mirror.awaited.discard(picture)
            self._mirror.hints.boards("a picture arrived that an item was to move to")
        log.info("uploaded", path=transfer.path, item=item.item_id, board=board.name)

    def _link_all(
        self, c: Connection, board: BoardRecord, transfer: TransferRecord, item: Item, mark: Mark,
        moment: int,
    ) -> int:  # fmt: skip
        """Link every file of the picture; return how many earlier links are superseded."""
        superseded = 0
        for path in _paths_of(c, self._mirror, board, transfer):
            new = links.NewLink(
                mirror=transfer.mirror, path=path, digest=mark.file, board=board.id,
                item_id=item.item_id, version=item.version, made="push", sent=mark.sent,
                recipe=mark.recipe, run=transfer.run,
            )  # fmt: skip
            superseded += links.agree(c, new, moment).superseded
        return superseded

    async def _trashed_id(self, transfer: TransferRecord, old: Item | None) -> str | None:
        """Ask where the item is that was replaced: the same key always finds it."""
        if old is None:
            return None
        try:
            return await self._mirror.server.trash(old, removal_key(transfer))
        except (Missing, ItemChanged):
            return None

    async def _decide_anew(self, transfer: TransferRecord) -> None:
        """The item that was to be replaced is another one by now: nothing was stored."""
        log.info("overtaken: its item changed on the board", path=transfer.path)
        await self._mirror.state.write(lambda c: transfers.finish(c, transfer.id))
        self._mirror.hints.boards("an item changed")

    async def _refuse(self, transfer: TransferRecord, reason: str) -> None:
        """The picture will not be taken as it is: say so once, until it changes."""
        moment = now_ms(self._mirror.clock)

        def write(c: Connection) -> None:
            observations.refuse_file(
                c, transfer.mirror, path_of(transfer), reason, moment * 1_000_000, transfer.digest
            )
            transfers.change(
                c, transfer.id, moment, state=TransferState.REFUSED.value, error=reason
            )
            runs.count(c, transfer.run, moment, refused=1)

        await self._mirror.state.write(write)
        log.warning("cannot be sent", path=transfer.path, reason=reason)

    async def _unknown(self, transfer: TransferRecord, error: Exception | None) -> None:
        """The answer was lost: nothing is sent again before the token was looked up."""
        moment = now_ms(self._mirror.clock)
        await self._mirror.state.write(
            lambda c: transfers.change(
                c, transfer.id, moment, state=TransferState.UNKNOWN.value,
                not_before_ms=moment + 1000, lookups=0, error=str(error),
                error_class=type(error).__name__,
            )
        )  # fmt: skip
        if error is not None:
            self._mirror.gate.failed(error)
        log.warning("answer lost; it will be looked up", path=transfer.path, error=str(error))

    async def _look_again(self, transfer: TransferRecord, error: OutcomeUnknown) -> None:
        """Look the token up once more, later each time."""
        looked = transfer.lookups + 1
        wait = delay_seconds(looked, str(transfer.token))
        moment = now_ms(self._mirror.clock)
        later = moment + int(wait * 1000)
        await self._mirror.state.write(
            lambda c: transfers.change(
                c, transfer.id, moment, state=TransferState.UNKNOWN.value, not_before_ms=later,
                lookups=looked, error=str(error), error_class=type(error).__name__,
            )
        )  # fmt: skip

    async def _failed(
        self, transfer: TransferRecord, error: BoardsyncError, state: TransferState | None = None
    ) -> None:
        """Record a failure and when to try again."""
        if isinstance(error, Refused):
            await self._refuse(transfer, str(error))
            return
        await blame(self._mirror, transfer.board, error)
        await postpone(self._mirror, transfer, error, state or transfer.state)


def _paths_of(
    c: Connection, mirror: Mirror, board: BoardRecord, transfer: TransferRecord
) -> list[bytes]:
    """Return every path of this board that holds this picture now: one item, n links."""
    found = observations.paths_of_digest(c, mirror.number, str(transfer.digest))
    layout = mirror.layout
    same = [
        path for path in found
        if layout.subfolder_of(path) == board.subfolder and not layout.is_pulled_area(path)
    ]  # fmt: skip
    if not mirror.policy().one_item:
        return [path_of(transfer)]
    return same if path_of(transfer) in same else [path_of(transfer), *same]


def _note_intents(c: Connection, parcels: Sequence[Parcel], moment: int) -> None:
    for parcel in parcels:
        transfer = parcel.transfer
        transfers.change(
            c, transfer.id, moment, state=TransferState.SENDING.value,
            attempts=transfer.attempts + 1, first_sent_ms=moment,
            item_id=transfer.item_id, version=transfer.version,
        )  # fmt: skip
