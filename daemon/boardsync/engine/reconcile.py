"""One pass of one mirror: observe, decide, record. Carrying out is the carrier's.

Hints say where to look; a pass with no hint in particular looks everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog

from boardsync.engine import decide, observe_files, record
from boardsync.engine.boards_seen import BoardsSeen
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.decide import Boards
from boardsync.engine.follow_folders import follow_folders
from boardsync.engine.observe_files import (
    FilesSeen,
    Hashed,
    hash_settled,
    observe_folder,
    observe_paths,
)
from boardsync.engine.passes import Look, Pass
from boardsync.engine.sweep import sweep_found
from boardsync.engine.troubles import Part, Troubles
from boardsync.errors import (
    BoardsyncError,
    Bug,
    FolderAway,
    SettingsError,
)
from boardsync.state import absence
from boardsync.telemetry.logging import about

log = structlog.get_logger(__name__)


class Reconciler:
    """The passes of one mirror. One at a time: the worker and a person's `once` share it."""

    def __init__(self, mirror: Mirror, *, dry: bool = False) -> None:
        self._mirror = mirror
        self._dry = dry
        self._undecided = True
        self._told: set[str] = set()
        self._asked_for: set[bytes] = set()
        self._troubles = Troubles(mirror)
        self._boards = BoardsSeen(mirror, self._troubles, dry=dry)
        self._hurried = False
        self.planned: Callable[[], None] = lambda: None
        self._lock = asyncio.Lock()

    @property
    def troubles(self) -> list[BoardsyncError]:
        """What keeps the mirror from being in step, as far as this process has seen."""
        return self._troubles.all()

    async def look(self, look: Look) -> Pass:
        """Make one pass. Failures are part of its result; they are also kept in the state."""
        async with self._lock:
            done = Pass()
            with about(mirror=self._mirror.name):
                await self._mind_the_clock()
                known = await self._follow_folders(look)
                await self._observe_files(look, done)
                changed = await self._observe_boards_hashing(look, done) if known else False
                await self._try_to_decide(
                    look, done, everything=changed or look.folder or look.decide
                )
                await self._boards.prove_items(done)
                self._troubles.clear(Part.PASS)
                with about(run=done.run):
                    await self._note_troubles(done)
            return done

    def hurry_up(self) -> None:
        """Leave what is not hashed yet to whoever comes after: this one makes no more passes."""
        self._hurried = True

    async def at_rest(self) -> None:
        """Return once no pass is under way."""
        async with self._lock:
            return

    async def _mind_the_clock(self) -> None:
        """Let what vanished before the clock was set back wait as if it had vanished now."""
        mirror, moment = self._mirror, now_ms(self._mirror.clock)
        with mirror.state.read() as connection:
            ahead = absence.is_ahead(connection, mirror.number, moment)
        if ahead and not self._dry:
            await mirror.state.write(lambda c: absence.begin_anew(c, mirror.number, moment))

    async def _follow_folders(self, look: Look) -> bool:
        """Let boards follow renamed folders. False: it is not known which board is whose."""
        if self._dry or self._mirror.gate.wait_seconds() > 0:
            return True
        try:
            renamed = await follow_folders(self._mirror)
        except BoardsyncError as error:
            self._boards.forget_all()
            self._troubles.set(Part.RENAMED, error)
            self._mirror.gate.failed(error)
            return False
        self._troubles.clear(Part.RENAMED)
        if renamed:
            self._boards.look_anew()
            look.folder = look.boards = True
        return True

    @contextlib.asynccontextmanager
    async def observed(self, patience: float) -> AsyncIterator[tuple[Pass, Boards]]:
        """See folder and boards as they are, and plan nothing until the body is through.

        patience: seconds to wait for files that still change. Yields what was seen, without a
        plan, and by subfolder the boards that were seen whole. No board is made.
        """
        async with self._lock:
            done = Pass()
            with about(mirror=self._mirror.name):
                look = Look(cause="adopt", folder=True, boards=True, make=False)
                if await self._follow_folders(look):
                    await self._observe_files(look, done)
                    await self._boards.observe(look, done)
                    await self._hash_what_settles(done, patience)
                await self._note_troubles(done)
                self._undecided = True
                yield done, self._boards.whole()

    async def _hash_what_settles(self, done: Pass, patience: float) -> None:
        """Hash all that has settled, and what does so in time."""
        clock = self._mirror.clock
        until = clock.monotonic() + patience
        while True:
            done.hashed = hashed = await hash_settled(self._mirror)
            while hashed.more:
                hashed = await hash_settled(self._mirror, (), hashed.after)
                done.hashed.absorb(hashed)
            if done.hashed.next_ready_ns is None:
                return
            wait = max(0.05, (done.hashed.next_ready_ns - clock.now_ns()) / 1e9)
            if clock.monotonic() + wait > until:
                return
            await clock.sleep(wait)

    async def _observe_files(self, look: Look, done: Pass) -> None:
        started = self._mirror.clock.monotonic()
        try:
            if look.folder:
                done.files = await observe_folder(self._mirror)
                self._asked_for.clear()
                self._tell_once(done.files)
                self._note_unreadable(done.files)
            elif look.paths:
                done.files = await observe_paths(self._mirror, sorted(look.paths))
        except BoardsyncError as error:
            self._troubles.set(Part.FOLDER, error)
        else:
            if done.files is not None:
                self._troubles.clear(Part.FOLDER)
                if not self._dry:
                    await sweep_found(self._mirror, done.files.report.temporaries)
        done.walk_seconds = self._mirror.clock.monotonic() - started

    async def _hash_and_decide(self, look: Look, done: Pass) -> None:
        """Hash what has settled; while there is more of it, send what is hashed on its way.

        A plan that is only shown is made at the end, once. Where the folder is away there is
        nothing to hash, however often it is tried.
        """
        if self._troubles.is_of(Part.FOLDER, FolderAway):
            return
        after, pace = b"", observe_files.FIRST
        while True:
            with about(run=done.run):
                hashed = await hash_settled(self._mirror, look.closed, after, pace)
            pace = observe_files.LATER
            done.hashed.absorb(hashed)
            if not hashed.more or self._hurried:
                return
            after = hashed.after
            if not self._dry:  # what is not recorded would be planned once more at the end
                await self._decide(look, done, everything=False)
            done.hashed.paths.clear()
            done.hashed_in_part = True

    def _tell_once(self, seen: FilesSeen) -> None:
        """Say once what the scan leaves out although somebody may expect it."""
        for path in seen.report.symlinks:
            self._tell("symlink, not followed", path)
        for path, reason in seen.report.unreadable:
            self._tell(f"cannot be read: {reason}", path)

    def _note_unreadable(self, seen: FilesSeen) -> None:
        """What cannot be looked at may hold pictures: the mirror is not in step."""
        self._troubles.clear(Part.UNREADABLE)
        if seen.report.unreadable:
            path, reason = seen.report.unreadable[0]
            others = len(seen.report.unreadable) - 1
            more = f", and {others} more" if others else ""
            name = path.decode("utf-8", "backslashreplace")
            self._troubles.set(
                Part.UNREADABLE, FolderAway(f"{name}: cannot be read: {reason}{more}")
            )

    def _tell(self, text: str, path: bytes) -> None:
        key = f"{text} {path!r}"
        if key not in self._told:
            self._told.add(key)
            log.warning(text, path=path)

    async def _observe_boards_hashing(self, look: Look, done: Pass) -> bool:
        """See the boards; hash meanwhile, where none was seen yet: reading one takes its time."""
        if self._boards.any:
            return await self._boards.observe(look, done)
        seen = asyncio.Event()
        hashing = asyncio.ensure_future(self._hash_until(seen, done))
        try:
            return await self._boards.observe(look, done)
        finally:
            seen.set()
            await hashing

    async def _hash_until(self, enough: asyncio.Event, done: Pass) -> None:
        """Hash what has settled. What waits or fails is told by the hashing that follows."""
        hashed = Hashed(more=True)
        with contextlib.suppress(BoardsyncError):
            while hashed.more and not (enough.is_set() or self._hurried):
                hashed = await hash_settled(self._mirror, (), hashed.after, observe_files.MEANWHILE)
                done.hashed.paths += hashed.paths

    async def _try_to_decide(self, look: Look, done: Pass, *, everything: bool) -> None:
        """Hash and decide. Without the rules of the folder nothing can be decided."""
        try:
            await self._hash_and_decide(look, done)
            undecided = self._undecided or self._boards.undecided
            await self._decide(look, done, everything=everything or undecided)
        except SettingsError as error:
            self._troubles.set(Part.FOLDER, error)
            self._undecided = True

    async def _decide(self, look: Look, done: Pass, *, everything: bool) -> None:
        """Decide about everything, or only about the files that were just hashed."""
        paths = None if everything else done.hashed.paths
        vanished = done.files is not None and done.files.gone > 0
        if paths is not None and not paths and not vanished:
            return
        mirror = self._mirror
        seen = self._boards
        plan = await asyncio.to_thread(
            decide.decide, mirror, seen.whole(), seen.matching, paths, seen.fetching()
        )
        done.plan.actions += plan.actions
        done.plan.partings += plan.partings
        done.plan.held = plan.held
        done.plan.blocked = plan.blocked
        self._look_for_moved(plan)
        if everything:
            self._undecided, seen.undecided = bool(plan.blocked), False
        elif plan.blocked:
            self._undecided = True
        if not self._dry:
            done.run = await record.record(mirror, plan, look.cause, done.run)
            if plan.actions:
                self.planned()
            if plan.partings:  # whose other side is free now: it may be a case of its own
                self._undecided = True
                mirror.hints.boards("links were parted")
        done.next_look_ms = next_look_ms(mirror) if plan.unsure else None
        if plan.unsure and (done.next_look_ms is not None or done.hashed.waiting):
            self._undecided = True

    def _look_for_moved(self, plan: decide.Plan) -> None:
        """Have looked at what seems to be gone, once until the whole folder is looked at."""
        for path in plan.vanished:
            if path not in self._asked_for:
                self._asked_for.add(path)
                self._mirror.hints.path(path)

    async def note_bug(self, error: Exception) -> None:
        """Let an unforeseen failure be seen where people look: nothing is in step then."""
        self._troubles.set(
            Part.PASS, Bug(f"a pass failed in an unforeseen way: {error!r}; report this")
        )
        try:
            await self._note_troubles(Pass())
        except BoardsyncError as problem:
            log.warning("the trouble could not be recorded", error=str(problem))

    async def _note_troubles(self, done: Pass) -> None:
        done.troubles = self._troubles.all()
        if not self._dry:
            await self._troubles.record()


def next_look_ms(mirror: Mirror) -> int | None:
    """Return when time will have decided what is in doubt: asked twice, or quiet for long."""
    settle, number = mirror.settings.settle, mirror.number
    with mirror.state.read() as connection:
        gone = (
            absence.latest_file_gone_ms(connection, number),
            absence.latest_item_gone_ms(connection, number),
        )
        asking = absence.next_asking_ms(connection, number, int(settle.confirm * 1000))
    now = now_ms(mirror.clock)
    quiet = [one + int(settle.removal * 1000) for one in gone if one is not None]
    moments = [one for one in quiet if one > now]
    if asking is not None:
        moments.append(max(asking, now))
    return min(moments, default=None)
