"""Carries out uploads so that each picture arrives exactly once.

Safe to kill at any instruction: the intent is durable before the first byte, and an intent
without an outcome is looked up by its token before anything is sent again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from boardsync.engine.attempt import blame, postpone, put_back
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror, needs_of
from boardsync.engine.lookup import UNSETTLED, Arrived, NotThere, doubtful_tokens, look_up
from boardsync.engine.pulled_before import item_pulled_from
from boardsync.engine.remove import removal_key
from boardsync.errors import (
    BoardsyncError,
    FileChanging,
    ItemChanged,
    Missing,
    OutcomeUnknown,
    PictureRefused,
    Refused,
)
from boardsync.files.snapshot import Snapshot, read_snapshot
from boardsync.formats.whole import Verdict, check
from boardsync.model import Item, LinkState, Mark, Outcome, TransferState, Upload, UploadResult
from boardsync.picture.decode import Limits
from boardsync.picture.prepare import Needs, Prepared, prepare
from boardsync.plan.backoff import delay_seconds
from boardsync.plan.settling import hollow_ready_ns
from boardsync.state import absence, links, observations, places, runs, transfers, trash, unproven
from boardsync.state.records import BoardRecord, TransferRecord

log = structlog.get_logger(__name__)


BATCH_BYTES = 16 << 20
"""From how much on a batch is sent although it could hold more: it is all in memory."""

DECODING = threading.BoundedSemaphore(os.cpu_count() or 1)
"""More pictures at once than there are processors would only hold each other up."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One transfer with its snapshot prepared: ready for its first byte."""

    transfer: TransferRecord
    snapshot: Snapshot
    prepared: Prepared

    @property
    def size(self) -> int:
        """How much memory it holds, in bytes."""
        sent = 0 if self.prepared.untouched else len(self.prepared.content)
        return len(self.snapshot.content) + sent

    @property
    def path(self) -> bytes:
        assert self.transfer.path is not None  # noqa: S101
        return self.transfer.path


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The file is not the planned picture any more, or a rule leaves it alone now."""

    snapshot: Snapshot | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Unripe:
    """The file may be room that was reserved, to be filled yet. seconds: until that is settled."""

    seconds: float


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
        parcels: list[Parcel] = []
        for transfer in batch:
            parcel = await self._pack(board, transfer, doubtful=transfer.token in doubtful)
            if parcel is not None:
                parcels.append(parcel)
            if sum(one.size for one in parcels) >= BATCH_BYTES:
                await self._send(board, parcels)
                parcels.clear()
        if parcels:
            await self._send(board, parcels)

    async def _pack(
        self, board: BoardRecord, transfer: TransferRecord, *, doubtful: bool
    ) -> Parcel | None:
        """Settle an unknown outcome, then read, check and prepare one snapshot of the file."""
        try:
            if doubtful and not await self._resolve(board, transfer):
                return None
            found = await asyncio.to_thread(self._read, transfer)
            if isinstance(found, Parcel):
                return None if await self._was_pulled(board, found) else found
            if isinstance(found, Unripe):
                await self._ripen(transfer, found.seconds)
            else:
                await self._overtaken(transfer, found)
            return None
        except BoardsyncError as error:
            await self._failed(transfer, error)
            return None

    async def _resolve(self, board: BoardRecord, transfer: TransferRecord) -> bool:
        """Settle whether the picture is there already. True: it is not, send it."""
        finding = await look_up(self._mirror, board, transfer)
        if isinstance(finding, NotThere):
            # What was not sent since it was planned has no answer to wait for.
            return transfer.state not in UNSETTLED or await self._may_send_again(transfer)
        if isinstance(finding, Arrived):
            await self._agree(board, transfer, finding.item, finding.mark)
            return False
        moment = now_ms(self._mirror.clock)
        later = moment + int(finding.seconds * 1000)
        await self._mirror.state.write(
            lambda c: transfers.change(
                c, transfer.id, moment, lookups=transfer.lookups + 1, not_before_ms=later
            )
        )
        return False

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

    def _read(self, transfer: TransferRecord) -> Parcel | Overtaken | Unripe:
        """Read, check and prepare the file, in a thread. Raises PictureRefused."""
        mirror, path = self._mirror, _path(transfer)
        limits = mirror.limits()
        ignored = mirror.rules().verdict(path, False)
        if ignored is not None:
            return Overtaken(rule=ignored.rule)
        try:
            snapshot = read_snapshot(mirror.absolute(path), limits.max_bytes, mirror.disk)
        except FileChanging:
            return Overtaken()
        if snapshot.digest != transfer.digest:
            return Overtaken(snapshot=snapshot)
        if self._is_shared(transfer):
            return Overtaken()
        if require_whole(snapshot.content).hollow:
            seconds = self._seconds_to_ripen(path, snapshot)
            if seconds > 0:
                return Unripe(seconds)
        needs = needs_of(mirror.server.capabilities)
        return Parcel(transfer, snapshot, prepare_checked(snapshot.content, needs, limits))

    def _is_shared(self, transfer: TransferRecord) -> bool:
        """Tell whether the item that an upload would replace has become another file's, too."""
        if transfer.item_id is None:
            return False
        with self._mirror.state.read() as connection:
            number, own = transfer.mirror, _path(transfer)
            return any(
                one.state == LinkState.AGREED.value
                and one.path != own
                and observations.find_file(connection, number, one.path) is not None
                for one in links.of_item(connection, transfer.board, transfer.item_id)
            )

    def _seconds_to_ripen(self, path: bytes, snapshot: Snapshot) -> float:
        mirror = self._mirror
        with mirror.state.read() as connection:
            seen = observations.find_file(connection, mirror.number, path)
        now = mirror.clock.now_ns()
        changed = now if seen is None else seen.changed_ns
        return (hollow_ready_ns(snapshot.stat, changed) - now) / 1e9

    async def _ripen(self, transfer: TransferRecord, seconds: float) -> None:
        """Leave a file alone until it has been quiet for long."""
        error = FileChanging(
            "it ends in zeros: either its writer reserved its room and fills it yet, or it is dark"
            " there; it is sent once it has been quiet for some minutes"
        )
        attempts = transfer.attempts
        await put_back(self._mirror, transfer, error, transfer.state, seconds, attempts=attempts)

    async def _was_pulled(self, board: BoardRecord, parcel: Parcel) -> bool:
        """Link a file to the item that it was pulled from instead of sending it."""
        transfer, size = parcel.transfer, (parcel.prepared.width, parcel.prepared.height)
        item = await item_pulled_from(self._mirror, board, parcel.snapshot, size)
        if item is None:
            return False
        moment = now_ms(self._mirror.clock)
        new = links.NewLink(
            mirror=transfer.mirror, path=parcel.path, digest=parcel.snapshot.digest,
            board=board.id, item_id=item.item_id, version=item.version, made="pull",
            run=transfer.run,
        )  # fmt: skip

        def write(c: Connection) -> None:
            links.agree(c, new, moment)
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, linked=1)

        await self._mirror.state.write(write)
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
            observations.forget_files(c, transfer.mirror, [_path(transfer)])

        await self._mirror.state.write(write)

    async def _drop(self, transfer: TransferRecord, snapshot: Snapshot | None) -> None:
        """Give up a transfer whose file was changed or removed meanwhile; have it looked at."""
        path = _path(transfer)
        log.info("overtaken: the file changed before it was sent", path=path)
        now = self._mirror.clock.now_ns()
        there = await asyncio.to_thread(self._mirror.disk.lexists, self._mirror.absolute(path))

        def write(c: Connection) -> None:
            transfers.finish(c, transfer.id)
            if snapshot is not None:
                observations.see_files(c, transfer.mirror, [(path, snapshot.stat)], now)
            elif there:
                observations.doubt_files(c, transfer.mirror, [path])
            else:
                observations.forget_files(c, transfer.mirror, [path])

        await self._mirror.state.write(write)
        self._mirror.hints.path(path)
        # Its token was taken: another path of the same picture may have waited for it.
        self._mirror.hints.boards("an upload was overtaken")

    async def _send(self, board: BoardRecord, parcels: Sequence[Parcel]) -> None:
        """Record the intents, send, record the outcomes."""
        moment = now_ms(self._mirror.clock)
        await self._mirror.state.write(lambda c: _note_intents(c, parcels, moment))
        uploads = [self._upload(board, parcel) for parcel in parcels]
        try:
            results = await self._mirror.server.upload(board.server_id, uploads)
        except BoardsyncError as error:
            # Raised only when it is certain that nothing was stored.
            for parcel in parcels:
                await self._failed(parcel.transfer, error, TransferState.READY)
            return
        # All at once, so that one commit holds a whole batch.
        answered = zip(parcels, uploads, results, strict=True)
        settling = (self._settle(board, *one) for one in answered)
        for problem in await asyncio.gather(*settling, return_exceptions=True):
            if problem is not None:
                raise problem

    def _upload(self, board: BoardRecord, parcel: Parcel) -> Upload:
        prepared, transfer = parcel.prepared, parcel.transfer
        assert transfer.token is not None and transfer.digest is not None  # noqa: S101, PT018
        mark = Mark(
            mirror=self._mirror.key,
            token=transfer.token,
            file=transfer.digest,
            sent=transfer.digest if prepared.untouched else _sha256(prepared.content),
            recipe=prepared.recipe,
            name=show_name(parcel) if self._mirror.settings.upload.name_in_mark else None,
        )
        return Upload(
            name=self._mirror.remote_name(parcel.path),
            content=prepared.content,
            media_type=prepared.media_type,
            mark=mark,
            category=self._mirror.settings.upload.category,
            width=prepared.width,
            height=prepared.height,
            created_ms=parcel.snapshot.stat.mtime_ns // 1_000_000,
            replaces=(old := replaced_item(board, transfer)),
            trash_key="" if old is None else removal_key(transfer),
        )

    async def _settle(
        self, board: BoardRecord, parcel: Parcel, upload: Upload, result: UploadResult
    ) -> None:
        """Record one outcome."""
        transfer = parcel.transfer
        if result.outcome in (Outcome.STORED, Outcome.EXISTED):
            assert result.item is not None  # noqa: S101
            await self._agree(board, transfer, result.item, upload.mark)
            self._mirror.gate.worked()
        elif result.outcome is Outcome.REFUSED:
            await self._refuse(transfer, str(result.error))
        elif result.outcome is Outcome.CHANGED:
            await self._decide_anew(transfer)
        else:
            await self._unknown(transfer, result.error)

    async def _agree(
        self, board: BoardRecord, transfer: TransferRecord, item: Item, mark: Mark
    ) -> None:
        """Observation, link and transfer in one transaction."""
        moment, old = now_ms(self._mirror.clock), replaced_item(board, transfer)
        trashed_id = await self._trashed_id(transfer, old)
        path = _path(transfer)
        there = await asyncio.to_thread(self._mirror.disk.lexists, self._mirror.absolute(path))

        def write(c: Connection) -> int:
            superseded = 0
            if old is not None and trashed_id is not None:
                trash.add(
                    c, moment, mirror=transfer.mirror, run=transfer.run, side=trash.ITEM,
                    reason="newer content of its file replaced it", guarded=False,
                    path=transfer.path, board=board.id, item_id=old.item_id,
                    version=old.version, trashed_id=trashed_id,
                )  # fmt: skip
            observations.describe_items(c, board.id, [(item, mark)])
            unproven.prove(c, board.id, [item.item_id])
            for each in _paths_of(c, self._mirror, board, transfer):
                new = links.NewLink(
                    mirror=transfer.mirror, path=each, digest=mark.file, board=board.id,
                    item_id=item.item_id, version=item.version, made="push", sent=mark.sent,
                    recipe=mark.recipe, run=transfer.run,
                )  # fmt: skip
                superseded += links.agree(c, new, moment).superseded
            if not there:
                absence.note_files_gone(c, transfer.mirror, [path], moment)
            # What the last listing said is not what is there now.
            places.forget_listing(c, board.id)
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, uploaded=1)
            return superseded

        superseded = await self._mirror.state.write(write)
        if not there:
            self._mirror.hints.boards("a file vanished while it was sent")
        elif (superseded and old is None) or self._is_shared(transfer):
            self._mirror.hints.boards("newer content was sent")
        log.info("uploaded", path=transfer.path, item=item.item_id, board=board.name)

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
                c, transfer.mirror, _path(transfer), reason, moment * 1_000_000, transfer.digest
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

    async def _failed(
        self, transfer: TransferRecord, error: BoardsyncError, state: TransferState | None = None
    ) -> None:
        """Record a failure and when to try again."""
        if isinstance(error, Refused):
            await self._refuse(transfer, str(error))
            return
        await blame(self._mirror, transfer.board, error)
        await postpone(self._mirror, transfer, error, state or transfer.state)


def require_whole(content: bytes) -> Verdict:
    """Check that bytes are a whole picture, as far as they tell. Raises PictureRefused."""
    verdict = check(content)
    if not verdict.whole:
        raise PictureRefused(verdict.reason)
    return verdict


def prepare_checked(content: bytes, needs: Needs, limits: Limits) -> Prepared:
    """Prepare what is known to be whole, when there is a processor for it."""
    with DECODING:
        return prepare(content, needs, limits)


def replaced_item(board: BoardRecord, transfer: TransferRecord) -> Item | None:
    """Return the item whose place an upload takes, for kinds that keep names."""
    if transfer.item_id is None:
        return None
    return Item(transfer.item_id, board.server_id, transfer.version)


def show_name(parcel: Parcel) -> str:
    """Return a path as text that any server can keep."""
    return parcel.path.decode("utf-8", "backslashreplace")


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
        return [_path(transfer)]
    return same if _path(transfer) in same else [_path(transfer), *same]


def _note_intents(c: Connection, parcels: Sequence[Parcel], moment: int) -> None:
    for parcel in parcels:
        transfer = parcel.transfer
        transfers.change(
            c, transfer.id, moment, state=TransferState.SENDING.value,
            attempts=transfer.attempts + 1, first_sent_ms=moment,
        )  # fmt: skip


def _path(transfer: TransferRecord) -> bytes:
    assert transfer.path is not None  # noqa: S101
    return transfer.path


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
