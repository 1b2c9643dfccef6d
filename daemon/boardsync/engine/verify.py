"""`boardsync verify`: fetches linked items and tells whether they still show what was sent.

Where a server keeps bytes, the digest of what was sent says it. Where it encodes anew, pixels do:
those that were seen when the item was adopted, or else those of the file, prepared as it was for
sending. Nothing is changed on either side; what strayed is recorded and told.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from io import BytesIO
from typing import Any

import structlog
from sqlalchemy import Connection

from boardsync.engine.assembly import Assembly
from boardsync.engine.at_work import AtWork, Progress, told_in
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.lookup import GHOST_SECONDS
from boardsync.engine.once import chosen_workers
from boardsync.engine.parcel import DECODING, prepare_for
from boardsync.engine.report import show
from boardsync.errors import (
    BoardsyncError,
    FileChanging,
    ItemMissing,
    PictureRefused,
    Refused,
    TryAgain,
)
from boardsync.files.snapshot import read_snapshot
from boardsync.model import Item
from boardsync.picture.pixels import pixel_digest_of
from boardsync.picture.prepare import ORIGINAL
from boardsync.state import places, strayed
from boardsync.state.records import BoardRecord
from boardsync.state.strayed import Verifiable

log = structlog.get_logger(__name__)

TOGETHER = 50
AT_ONCE = 2
"""Items that are fetched at one time, and in memory with their files: others need the server."""
MOST_TOLD = 10_000
PULLED = "pull"
DIFFERS = "it shows another picture than the one that was sent"
TORN = "the server has no whole picture of its size"


class Fate(Enum):
    """What an item turned out to be. GONE and CHANGED: the next pass finds it out and decides."""

    SAME = auto()
    STRAYED = auto()
    GONE = auto()
    CHANGED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A fate, and in words why. shown: the digest of what strayed, if it shows anything."""

    fate: Fate
    words: str = ""
    shown: str | None = None


@dataclass(slots=True)
class Verified:
    """What came of it for one mirror.

    linked: its linked pictures, checked: those that were looked at. same: items that show what was
    sent. strayed: those that do not, as `path`, `board`, `item` and `words`, the first MOST_TOLD of
    strayed_count. gone, changed: items that are not there any more, or are another version; the
    next pass decides about them. unknown: how many could not be compared, by the reason.
    """

    mirror: str
    linked: int = 0
    checked: int = 0
    same: int = 0
    strayed: list[dict[str, Any]] = field(default_factory=list)
    strayed_count: int = 0
    gone: int = 0
    changed: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    trouble: str | None = None
    later: bool = False


async def verify(
    assembly: Assembly, names: Sequence[str] = (), share: float = 1.0, turn: int = 0,
    at_work: AtWork | None = None,
) -> list[Verified]:  # fmt: skip
    """Verify a share of the linked items of the named mirrors, or of all.

    share: from 0 to 1. turn: which share; each turn has other items until all had theirs.
    Raises SettingsError for a mirror that is not there.
    """
    told = []
    for worker in chosen_workers(assembly, names):
        with told_in(at_work, worker.mirror.name) as progress:
            verifier = _Verifier(worker.mirror, progress)
            try:
                await verifier.run(share, turn)
            except BoardsyncError as error:
                worker.mirror.gate.failed(error, looking=True)
                verifier.told.trouble = str(error)
                verifier.told.later = isinstance(error, TryAgain)
            if verifier.told.gone or verifier.told.changed:
                worker.hint_everything("an item is not as it was")
        told.append(verifier.told)
    return told


async def verify_share(assembly: Assembly) -> bool:
    """Verify the share of the settings; a job of the timetable. Returns whether all was looked at.

    Mirrors that are paused, or in quiet hours, are left out until the next time.
    """
    schedule = assembly.settings.schedule
    if schedule.verify_share <= 0:
        return True
    resting = {one.name for one in assembly.mirrors if one.brake.words() is not None}
    names = [one.name for one in assembly.mirrors if one.name not in resting]
    turn = int(assembly.clock.now_ns() / 1e9 / schedule.verify_every)
    told = await verify(assembly, names, schedule.verify_share, turn) if names else []
    return not any(one.trouble for one in told)


def todays_turn(assembly: Assembly) -> int:
    """Return the turn of today: whoever asks for a share each day has seen all in the end."""
    return int(assembly.clock.now_ns() // (86_400 * 10**9))


class _Verifier:
    """Verifies the items of one mirror."""

    def __init__(self, mirror: Mirror, progress: Progress) -> None:
        self._mirror = mirror
        self._progress = progress
        self._room = asyncio.Semaphore(AT_ONCE)
        self._by_bytes = not mirror.server.capabilities.reencodes
        self.told = Verified(mirror.name)

    async def run(self, share: float, turn: int) -> None:
        """Look at a share of the items, in order of their links."""
        with self._mirror.state.read() as connection:
            self.told.linked = strayed.linked_of(connection, self._mirror.number)
        if not self.told.linked:
            return
        count = math.ceil(self.told.linked * share)
        shares = math.ceil(self.told.linked / count)
        skip, after = turn % shares * count, 0
        self._progress.compare(min(count, self.told.linked - skip))
        while self.told.checked < count:
            most = min(TOGETHER, count - self.told.checked)
            with self._mirror.state.read() as connection:
                some = strayed.page(connection, self._mirror.number, most, after, skip)
            if not some:
                return
            skip, after = 0, some[-1].id
            await self._look_at(some)

    async def _look_at(self, some: Sequence[Verifiable]) -> None:
        """Look at some pictures and record what was found."""
        with self._mirror.state.read() as connection:
            boards = {one.board: places.board_by_id(connection, one.board) for one in some}
        there: dict[tuple[int, str], Item] = {}
        for board in boards.values():
            asked = sorted({one.item_id for one in some if one.board == board.id})
            for item in await self._mirror.server.items(board.server_id, asked):
                if item.board_id == board.server_id and not item.trashed:
                    there[board.id, item.item_id] = item
        self._mirror.gate.worked()
        found = list(zip(some, await self._verdicts(some, there), strict=True))
        for one, verdict in found:
            self._tell(one, boards[one.board], verdict)
        news = await self._mirror.state.write(partial(_note, found, now_ms(self._mirror.clock)))
        for one in news:
            log.error(
                f"an item does not show what was sent; {strayed.REMEDY}",
                mirror=self._mirror.name, path=one.path, item=one.item_id,
                board=boards[one.board].name,
            )  # fmt: skip

    async def _verdicts(
        self, some: Sequence[Verifiable], there: Mapping[tuple[int, str], Item]
    ) -> list[Verdict]:
        """Return the verdicts, in order; raises the first error when all have come to an end."""
        told = await asyncio.gather(
            *(self._verdict(one, there.get((one.board, one.item_id))) for one in some),
            return_exceptions=True,
        )
        verdicts = []
        for one in told:
            if isinstance(one, BaseException):
                raise one
            verdicts.append(one)
        return verdicts

    def _tell(self, one: Verifiable, board: BoardRecord, verdict: Verdict) -> None:
        told, fate = self.told, verdict.fate
        told.checked += 1
        told.same += fate is Fate.SAME
        told.gone += fate is Fate.GONE
        told.changed += fate is Fate.CHANGED
        if fate is Fate.UNKNOWN:
            told.unknown[verdict.words] = told.unknown.get(verdict.words, 0) + 1
        if fate is Fate.STRAYED:
            told.strayed_count += 1
            if len(told.strayed) < MOST_TOLD:
                told.strayed.append({
                    "path": show(one.path), "board": board.name, "item": show(one.item_id),
                    "words": verdict.words,
                })  # fmt: skip
        self._progress.step()

    async def _verdict(self, one: Verifiable, item: Item | None) -> Verdict:
        if item is None:
            return Verdict(Fate.GONE)
        if item.version != one.version:
            return Verdict(Fate.CHANGED)
        async with self._room:
            try:
                return await self._compared(one, item)
            except ItemMissing:
                return Verdict(Fate.GONE)
            except PictureRefused as error:
                return Verdict(Fate.STRAYED, f"it cannot be shown: {error}")
            except Refused as error:
                return Verdict(Fate.UNKNOWN, str(error))
            except FileChanging:
                if now_ms(self._mirror.clock) - one.since_ms < GHOST_SECONDS * 1000:
                    return Verdict(Fate.UNKNOWN, "the server is still writing it")
                return Verdict(Fate.STRAYED, TORN)

    async def _compared(self, one: Verifiable, item: Item) -> Verdict:
        expected = await asyncio.to_thread(self._expected, one)
        if isinstance(expected, Verdict):
            return expected
        sink = BytesIO()
        got = await self._mirror.server.download(item, sink)
        if self._compares_bytes(one):
            shown = got.digest
        else:
            shown = await asyncio.to_thread(self._pixels, sink.getvalue())
        if shown == expected:
            return Verdict(Fate.SAME)
        return Verdict(Fate.STRAYED, DIFFERS, shown)

    def _compares_bytes(self, one: Verifiable) -> bool:
        """Tell whether bytes say it: a server's own file is the same each time it is fetched."""
        return self._by_bytes or one.made == PULLED

    def _expected(self, one: Verifiable) -> str | Verdict:
        """Return the digest of what the item is to show, or why there is none. In a thread."""
        if one.made == PULLED:
            return one.sent or one.digest
        if self._by_bytes and (one.sent or one.recipe in (None, ORIGINAL)):
            return one.sent or one.digest
        if self._by_bytes:
            return Verdict(Fate.UNKNOWN, "it is not known what was sent")
        return one.pixels or self._pixels_of_file(one)

    def _pixels_of_file(self, one: Verifiable) -> str | Verdict:
        mirror = self._mirror
        try:
            path, most = mirror.absolute(one.path), mirror.limits().max_bytes
            snapshot = read_snapshot(path, most, mirror.disk)
            if snapshot.digest != one.digest:
                return Verdict(Fate.UNKNOWN, "its file holds something else by now")
            prepared = prepare_for(mirror, snapshot.content)
            if one.recipe not in (None, prepared.recipe):
                return Verdict(Fate.UNKNOWN, "it would be prepared otherwise today")
            return self._pixels(prepared.content)
        except (FileChanging, Refused):
            return Verdict(Fate.UNKNOWN, "its file cannot be read now")

    def _pixels(self, content: bytes) -> str:
        with DECODING:  # within what any picture may have: the mirror's limits are for sending
            return pixel_digest_of(content)


def _note(
    found: Sequence[tuple[Verifiable, Verdict]], now_ms: int, c: Connection
) -> list[Verifiable]:
    """Record it; return what is news."""
    strayed.forget(c, [one.id for one, verdict in found if verdict.fate is Fate.SAME])
    lost = [(one, verdict) for one, verdict in found if verdict.fate is Fate.STRAYED]
    return [
        one for one, verdict in lost
        if strayed.note(c, one, verdict.words, verdict.shown, now_ms)
    ]  # fmt: skip
