"""`boardsync adopt`: takes over a board that was filled by hand or by another tool.

Nothing is uploaded, removed or changed on either side: only links are made, each as soon as it
is proven, so that a kill costs nothing but what is under way. Meant to be run before the first
pass, which would send every file that no mark is found of.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection

from boardsync.engine.adopt_look import BoardWork, Seen, gather, keeps_bytes, look_at
from boardsync.engine.adopt_look import looks_of_pictures as looks_of
from boardsync.engine.assembly import Assembly
from boardsync.engine.at_work import AtWork, Progress, told_in
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.once import AWAY, PATIENCE_SECONDS, chosen_workers
from boardsync.engine.passes import Pass
from boardsync.engine.report import show
from boardsync.engine.worker import Worker
from boardsync.errors import BoardsyncError
from boardsync.model import Item
from boardsync.plan.adoption import Candidate, Claim, Group, Pairing, Picture
from boardsync.plan.tokens import token_for
from boardsync.state import adoption, cases, links, runs, transfers
from boardsync.state.records import BoardRecord

log = structlog.get_logger(__name__)

CAUSE = "adopt"
SAMPLES = 3
"""Items that are fetched to tell the cost of all."""
TOGETHER = 16
"""Items that are asked for together, and judged in their order."""
EXAMPLES = 10


@dataclass(slots=True)
class Survey:
    """What adopting would cost. files: without an item; candidates: files that may have one.

    items: on the board without mark and link; downloads: those of them that may be a file's.
    total_bytes, seconds: estimated from a few downloads, None without any. settling: files that
    still change, and are left out. later: whether a trouble heals by itself.
    """

    mirror: str
    files: int = 0
    candidates: int = 0
    items: int = 0
    downloads: int = 0
    total_bytes: int | None = None
    seconds: float | None = None
    settling: int = 0
    trouble: str | None = None
    later: bool = False


@dataclass(slots=True)
class Adopted:
    """What came of it. linked: files, items: theirs. unequal: items that are no file's picture.

    doubles: items that show a linked picture once more: `item` and `path`, the first few of
    `doubles_count`. unchecked: items that could not be compared, skipped: pairs that changed
    meanwhile. sent_plain: items that lie there otherwise than boardsync would have sent them.
    """

    mirror: str
    run: int | None = None
    linked: int = 0
    items: int = 0
    unequal: int = 0
    doubles: list[dict[str, Any]] = field(default_factory=list)
    doubles_count: int = 0
    unchecked: int = 0
    skipped: int = 0
    sent_plain: int = 0
    settling: int = 0
    trouble: str | None = None
    later: bool = False


async def survey(
    assembly: Assembly, names: Sequence[str] = (), patience: float = PATIENCE_SECONDS,
    at_work: AtWork | None = None,
) -> list[Survey]:  # fmt: skip
    """Tell what adopting would cost. Raises SettingsError for a mirror that is not there.

    at_work: where the mirror that is looked at stands meanwhile.
    """
    told = []
    for worker in chosen_workers(assembly, names):
        one = Survey(worker.mirror.name)
        with told_in(at_work, worker.mirror.name):
            async with _works(worker, patience) as (done, works):
                _note_pass(one, done)
                _count(one, works)
                try:
                    await _estimate(worker.mirror, one, works)
                except BoardsyncError as error:
                    _note_trouble(worker.mirror, one, error)
        told.append(one)
    return told


async def adopt(
    assembly: Assembly, names: Sequence[str] = (), patience: float = PATIENCE_SECONDS,
    at_work: AtWork | None = None,
) -> list[Adopted]:  # fmt: skip
    """Link files to the items of their boards that are proven to be the same pictures.

    at_work: where the mirror that is worked on stands meanwhile. Raises SettingsError for a
    mirror that is not there.
    """
    told = []
    for worker in chosen_workers(assembly, names):
        with told_in(at_work, worker.mirror.name) as progress:
            told.append(await _adopt_mirror(worker, patience, progress))
    return told


async def _adopt_mirror(worker: Worker, patience: float, progress: Progress) -> Adopted:
    adopter = Adopter(worker.mirror, progress)
    async with _works(worker, patience) as (done, works):
        _note_pass(adopter.told, done)
        progress.compare(_steps(worker.mirror, works))
        try:
            for work in works:
                await adopter.adopt(work)
        except BoardsyncError as error:
            _note_trouble(worker.mirror, adopter.told, error)
    return adopter.told


def _steps(mirror: Mirror, works: Sequence[BoardWork]) -> int:
    """Return how many files are prepared and items fetched; bytes need no preparation."""
    groups = [group for work in works for group in work.groups]
    files = 0 if keeps_bytes(mirror) else sum(len(group.pictures) for group in groups)
    return files + sum(len(group.items) for group in groups)


@asynccontextmanager
async def _works(worker: Worker, patience: float) -> AsyncIterator[tuple[Pass, list[BoardWork]]]:
    """See both sides and gather what may be adopted. Nothing is planned until this ends.

    What was planned and not begun is taken back first: it may be what is on the board.
    """
    async with worker.reconciler.observed(patience) as (done, boards):
        await worker.withdraw()
        yield done, await asyncio.to_thread(gather, worker.mirror, boards)


def _note_pass(told: Survey | Adopted, done: Pass) -> None:
    told.settling = done.hashed.waiting
    if done.troubles:
        told.trouble = "; ".join(dict.fromkeys(str(error) for error in done.troubles))
        told.later = any(isinstance(error, AWAY) for error in done.troubles)


def _note_trouble(mirror: Mirror, told: Survey | Adopted, error: BoardsyncError) -> None:
    mirror.gate.failed(error)
    told.trouble, told.later = str(error), isinstance(error, AWAY)


def _count(told: Survey, works: Sequence[BoardWork]) -> None:
    for work in works:
        told.files += work.files
        told.items += work.items
        told.downloads += sum(len(group.items) for group in work.groups)
        told.candidates += sum(
            len(picture.paths) for group in work.groups for picture in group.pictures
        )


async def _estimate(mirror: Mirror, told: Survey, works: Sequence[BoardWork]) -> None:
    """Fetch a few items, and prepare a few files, to tell how long all of them would take."""
    items = [(work.board, one) for work in works for group in work.groups for one in group.items]
    pictures = [one for work in works for group in work.groups for one in group.pictures]
    if not items:
        return
    started, sizes = mirror.clock.monotonic(), []
    samples = _spread(items)
    for board, candidate in samples:
        sizes += [one.size for one in await look_at(mirror, board, [candidate]) if one.size]
    fetching = mirror.clock.monotonic() - started
    prepared = _spread(pictures)
    await looks_of(mirror, prepared)
    preparing = mirror.clock.monotonic() - started - fetching
    at_once = mirror.server.capabilities.downloads_at_once
    told.seconds = round(
        fetching / len(samples) * len(items) / at_once
        + preparing / len(prepared) * len(pictures), 1,
    )  # fmt: skip
    known = [one.size for _, one in items if one.size is not None]
    if len(known) == len(items):
        told.total_bytes = sum(known)
    elif sizes:
        told.total_bytes = sum(sizes) * len(items) // len(sizes)


def _spread(values: Sequence[Any]) -> list[Any]:
    """Return a few values from all over a list."""
    step = max(1, len(values) // SAMPLES)
    return list(values[::step][:SAMPLES])


class Adopter:
    """Proves and records the pairs of one mirror."""

    def __init__(self, mirror: Mirror, progress: Progress) -> None:
        self._mirror = mirror
        self._progress = progress
        self._sent: set[str] = set()
        self.told = Adopted(mirror.name)

    async def adopt(self, work: BoardWork) -> None:
        """Link what is proven equal on one board. Raises TryAgain when the server goes away."""
        for group in work.groups:
            await self._adopt_group(work.board, group)

    async def _adopt_group(self, board: BoardRecord, group: Group) -> None:
        pairing = Pairing()
        looked = await looks_of(self._mirror, group.pictures, self._progress.step)
        for picture, looks in looked:
            pairing.expect(picture, {looks.sent, *looks.plain})
            self._sent.add(looks.sent)
        for start in range(0, len(group.items), TOGETHER):
            for seen in await look_at(
                self._mirror, board, group.items[start : start + TOGETHER]
            ):  # fmt: skip
                await self._judge(board, pairing, seen)
                self._progress.step()
        self._sent.clear()

    async def _judge(self, board: BoardRecord, pairing: Pairing, seen: Seen) -> None:
        """Record what an item turned out to be."""
        if seen.item is None or seen.look is None:
            self.told.unchecked += 1
            return
        claim = pairing.claim(seen.look)
        if claim is None:
            self.told.unequal += 1
        elif not claim.fresh:
            self._tell_double(seen.candidate, claim)
        elif await self._link(board, claim.picture, seen.item, seen.look):
            self.told.items += 1
            self.told.sent_plain += seen.look not in self._sent
        else:
            self.told.skipped += 1

    def _tell_double(self, candidate: Candidate, claim: Claim) -> None:
        self.told.doubles_count += 1
        if len(self.told.doubles) < EXAMPLES:
            told = {"item": show(candidate.item_id), "path": show(claim.picture.paths[0])}
            self.told.doubles.append(told)

    async def _link(self, board: BoardRecord, picture: Picture, item: Item, look: str) -> bool:
        """Record a proven pair, if both sides still stand as they were looked at."""
        mirror, moment = self._mirror, now_ms(self._mirror.clock)
        pixels = None if keeps_bytes(mirror) else look

        def write(c: Connection) -> tuple[int, int | None]:
            free = adoption.is_free(c, board.id, item.item_id, item.version)
            token = token_for(mirror.key, picture.digest)
            if not free or transfers.is_sending(c, board.id, token):
                return 0, self.told.run
            still = cases.open_among(c, mirror.number, mirror.layout, picture.paths)
            same = [path for path, digest in still if digest == picture.digest]
            if not same:
                return 0, self.told.run
            run = self.told.run or runs.begin(c, mirror.number, CAUSE, moment)
            for path in same:
                new = links.NewLink(
                    mirror=mirror.number, path=path, digest=picture.digest, board=board.id,
                    item_id=item.item_id, version=item.version, made="found", pixels=pixels,
                    run=run,
                )  # fmt: skip
                links.agree(c, new, moment)
            runs.count(c, run, moment, linked=len(same))
            return len(same), run

        linked, self.told.run = await mirror.state.write(write)
        self.told.linked += linked
        if linked:
            log.info("adopted", path=picture.paths[0], item=item.item_id, board=board.name)
        return linked > 0
