"""How the daemon is: what is not as it should be, since when, and whether it is stuck.

It is asked every few seconds, so it asks the state for little, through indexes. What waits on
purpose is not wrong: a moment before the next attempt, a file that settles, what a person has
paused. But nothing may wait unseen for longer than the settings allow.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy import Connection

from boardsync.engine.assembly import Assembly
from boardsync.engine.causes import LASTING, Cause, Kind, Patience
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.due import GROUPS
from boardsync.engine.report import show
from boardsync.engine.restless import Restless, Waiting, write_kept
from boardsync.engine.watching import Watching
from boardsync.errors import (
    BoardsyncError,
    NotAuthorised,
    OutcomeUnknown,
    ServerBusy,
    ServerFault,
    ServerUnreachable,
)
from boardsync.files.snapshot import NOT_ALLOWED
from boardsync.model import ActionKind
from boardsync.state import alarms, holds, places, standing
from boardsync.state.standing import Refused

FORGET_SECONDS = 60.0
"""What comes back within a minute was never gone."""
RECENT_MS = 3_600_000
"""So long what is over, and was mended, is told of."""
SAME_OUTAGE_MS = 60_000
"""A picture that was first tried earlier before an outage fails for a reason of its own."""
QUIET_SECONDS = 30.0
"""A folder is asked every few seconds: so long without an answer is never too impatient."""
ANSWER_SECONDS = 5.0
"""Within so long a living daemon answers."""
DAEMON = "boardsync"
"""The subject of what concerns no mirror and no server."""

OF_THE_SERVER = (ServerUnreachable, ServerBusy, ServerFault, OutcomeUnknown, NotAuthorised)
_NAMES = frozenset(kind.__name__ for kind in OF_THE_SERVER)
Heads = dict[str, tuple[int, float]]
"""By kind of transfer: the number of the one that may go next, and since when (s) it is that."""


@dataclass(slots=True)
class Running:
    """What of a service can be looked at: its watchers by mirror, and its tasks, which are named.

    Outside of a service there is none.
    """

    watching: Mapping[str, Watching] = field(default_factory=dict)
    tasks: Callable[[], Sequence[asyncio.Task[None]]] = tuple


class Health:
    """Looks at one assembly, and remembers what it saw. causes: what the last look found."""

    def __init__(self, assembly: Assembly, running: Running | None = None) -> None:
        self._assembly = assembly
        self._running = running or Running()
        self._memory: dict[str, tuple[int, float]] = {}
        self._began_ms = now_ms(assembly.clock)
        self._heads: dict[str, Heads] = {}
        self._restless = {one.key: Restless(one.key) for one in assembly.mirrors}
        self._refused: dict[str, tuple[int | None, Refused]] = {}
        self.answer_seconds = ANSWER_SECONDS
        self.causes: list[Cause] = []

    @property
    def _patience(self) -> Patience:
        """The patience of the settings in force."""
        own = self._assembly.settings.health
        return Patience(own.stuck_after, own.file_stuck_after)

    @property
    def stuck(self) -> list[Cause]:
        """What makes the daemon unhealthy."""
        return [cause for cause in self.causes if cause.stuck]

    @property
    def looked(self) -> bool:
        """Whether every mirror was looked at since the start, with whatever result."""
        return not self.unseen

    @property
    def unseen(self) -> list[str]:
        """The mirrors whose first look is not over."""
        return [name for name, one in self._assembly.workers.items() if one.last is None]

    def remember(self) -> None:
        """Take up what earlier processes have seen: how long it lasts counts from there."""
        moment = self._assembly.clock.monotonic()
        with contextlib.suppress(BoardsyncError), self._assembly.state.read() as connection:
            records = alarms.kept(connection)
            for one in records:
                self._memory[one.cause] = (one.since_ms, moment)
            for restless in self._restless.values():
                restless.remember(records)

    def look(self) -> list[Cause]:
        """Find all that is wrong now, what is gravest for a mirror first."""
        moment = now_ms(self._assembly.clock)
        self.causes = [self._aged(one, moment) for one in self._found(moment)]
        self._forget_old()
        return self.causes

    async def count_and_keep(self) -> None:
        """Count what a look has no time for, and keep what a restart needs.

        It may take as long as the state's disk lets it. The state's own trouble is no matter
        here: the next look finds it.
        """
        with contextlib.suppress(BoardsyncError):
            await self._count_refused()
            await self._keep()

    async def answers(self, seconds: float | None = None) -> str | None:
        """Tell why the writer of the state does not answer; None when it does.

        A full disk is no reason: no restart would help against it.
        """
        seconds = seconds or self.answer_seconds
        try:
            await asyncio.wait_for(self._assembly.state.answer(), seconds)
        except TimeoutError:
            return f"the state file could not be written within {seconds:g} s"
        except BoardsyncError as error:
            return str(error)
        return None

    def _aged(self, cause: Cause, moment: int) -> Cause:
        """Say since when a cause lasts, and whether it is stuck."""
        since = min(cause.since_ms, moment)
        if cause.kind in LASTING and cause.key in self._memory:
            since = min(since, self._memory[cause.key][0])
        self._memory[cause.key] = (since, self._assembly.clock.monotonic())
        stuck = self._patience.exhausted(cause.kind, moment - since)
        return replace(cause, since_ms=since, stuck=stuck)

    def _forget_old(self) -> None:
        if not self.looked:
            return
        moment = self._assembly.clock.monotonic()
        mirrored = {one.key for one in self._assembly.mirrors}
        self._restless = {key: one for key, one in self._restless.items() if key in mirrored}
        self._memory = {
            key: value for key, value in self._memory.items() if moment - value[1] < FORGET_SECONDS
        }

    def _found(self, moment: int) -> list[Cause]:
        found: list[Cause] = []
        try:
            with self._assembly.state.read() as connection:
                down = [*self._of_servers()]
                found += down
                away = {cause.identity: cause.since_ms for cause in down}
                for mirror in self._assembly.mirrors:
                    # While new settings are taken over, there may be nobody who works for it.
                    if mirror.name in self._assembly.workers and not _is_paused(mirror):
                        found += self._of_mirror(connection, mirror, away, moment)
        except BoardsyncError as error:
            if self._assembly.state.health.damage is None:
                found.append(_own(Kind.STATE, str(error), moment))
        # Last, as the reading may be what finds the damage.
        return [*self._of_daemon(moment), *found]

    def _of_daemon(self, moment: int) -> Iterator[Cause]:
        state = self._assembly.state
        if state.health.damage is not None:
            yield _own(Kind.DAMAGED, str(state.health.damage), moment)
        if not state.writer_alive:
            yield _own(Kind.ENDED, "the thread that writes the state file has ended", moment)
        if state.full:
            words = f"the disk of {state.path} is full: everything waits for room on it"
            yield _own(Kind.FULL, words, moment)
        if state.set_aside is not None:
            words = f"the state file was damaged; it is kept as {state.set_aside}, and rebuilt"
            yield _own(Kind.REBUILT, words, self._began_ms)
        for name in sorted(self._ended()):
            words = f"a part of boardsync has ended: {name}; restart it, and report this"
            yield Cause(Kind.ENDED, DAEMON, f"{DAEMON}/{name}", words, moment)

    def _ended(self) -> Iterator[str]:
        """Name the tasks that ended although they should not."""
        for task in self._running.tasks():
            if task.done():
                yield task.get_name()
        for name, carrier in self._assembly.carriers.items():
            if carrier.died:
                yield f"transfers of {name}"

    def _of_servers(self) -> Iterator[Cause]:
        """One cause for a server that is away, not one for each of its mirrors."""
        for name, gate in self._assembly.gates.items():
            if gate.trouble is None or gate.since_ms is None:
                continue
            waiting = [
                one.name for one in self._assembly.mirrors
                if one.settings.server == name and not _is_paused(one)
            ]  # fmt: skip
            if waiting:
                verb = "waits" if len(waiting) == 1 else "wait"
                words = f"{', '.join(waiting)} {verb}: {gate.trouble}"
                cause = Cause(Kind.SERVER, name, name, words, gate.since_ms)
                if not gate.answered and cause.key in self._memory:
                    # It was away already when an earlier process ended.
                    since = min(gate.since_ms, self._memory[cause.key][0])
                    cause = replace(cause, since_ms=since)
                yield cause

    def _of_mirror(
        self, connection: Connection, mirror: Mirror, away: Mapping[str, int], moment: int
    ) -> Iterator[Cause]:
        down_since = away.get(mirror.settings.server)
        down = down_since is not None
        waits = self._waiting(connection, mirror, moment, down=down)
        if waits is not None:
            yield waits
        held = holds.open_holds(connection, [mirror.number])
        if held:
            count = sum(one.count for one in held)
            words = f"{mirror.name}: {count} removals wait for consent, see `boardsync holds`"
            yield _of(mirror, Kind.HELD, words, held[0].since_ms)
        lacking = mirror.brake.lacks_room()
        if lacking is not None:
            yield _of(mirror, Kind.ROOM, f"{mirror.name}: {lacking}", moment)
        yield from self._of_watcher(mirror, moment)
        yield from self._of_transfers(connection, mirror, down_since)
        if waits is not None or down:
            self._heads.pop(mirror.name, None)
        else:
            yield from self._idle(connection, mirror, moment)
        yield from self._of_files(connection, mirror, moment)

    def _waiting(
        self, connection: Connection, mirror: Mirror, moment: int, *, down: bool
    ) -> Cause | None:
        """Say why a mirror waits, unless that is its server alone.

        The state keeps a trouble until the end of the pass that finds it healed, which may take
        long. So it is only asked since when, and what there was before this process began.
        """
        worker = self._assembly.workers[mirror.name]
        kept = places.trouble(connection, mirror.number)
        troubles = worker.reconciler.troubles
        of_the_server = all(isinstance(one, OF_THE_SERVER) for one in troubles)
        if troubles and not (down and of_the_server):
            words = "; ".join(dict.fromkeys(str(one) for one in troubles))
            since = moment if kept is None or of_the_server else kept[1]
        elif not troubles and kept is not None and worker.last is None:
            words, since = kept[0], self._began_ms
        else:
            return None
        return _of(mirror, Kind.WAITING, f"{mirror.name} waits: {words}", since)

    def _of_watcher(self, mirror: Mirror, moment: int) -> Iterator[Cause]:
        watching = self._running.watching.get(mirror.name)
        if watching is None:
            return
        stats = watching.stats()
        if watching.failed is not None:
            words = f"{mirror.name}: its folder is not watched: {watching.failed}; report this"
            yield _of(mirror, Kind.WATCHER, words, moment)
        elif watching.silent_seconds >= max(self._patience.stuck, QUIET_SECONDS):
            words = f"{mirror.name}: its folder does not answer; does its disk or share hang?"
            since = moment - int(watching.silent_seconds * 1000)
            yield _of(mirror, Kind.WATCHER, words, since)
        if stats["remark"] and mirror.settings.watch != "polling":
            words = f"{mirror.name}: the folder is polled: {stats['remark']}"
            yield _of(mirror, Kind.POLLED, words, moment)
        last = stats["last_loss"]
        if isinstance(last, dict) and moment - last["at_ms"] < RECENT_MS:
            words = (
                f"{mirror.name}: changes may have gone by unseen ({last['reason']});"
                " the whole folder was looked at"
            )
            yield _of(mirror, Kind.LOSSES, words, last["at_ms"])

    def _of_transfers(
        self, connection: Connection, mirror: Mirror, down_since: int | None
    ) -> Iterator[Cause]:
        """Find pictures that fail; not those that only met the outage that is told already."""
        failing = [
            one for one in standing.postponed(connection, mirror.number)
            if down_since is None or one.error_class not in _NAMES
            or one.since_ms < down_since - SAME_OUTAGE_MS
        ]  # fmt: skip
        if failing:
            count = "a picture" if len(failing) == 1 else f"{len(failing)} pictures"
            if len(failing) >= standing.EXAMPLES:
                count = f"{len(failing)} pictures or more"
            words = f"{mirror.name} cannot go on with {count}: {failing[0].error}"
            yield _of(mirror, Kind.FAILING, words, failing[0].since_ms)

    def _idle(self, connection: Connection, mirror: Mirror, moment: int) -> Iterator[Cause]:
        """Find transfers that may go, and do not, although nothing is known to be wrong.

        Uploads may only go to boards that were read, and reading a large one takes its time.
        While others of the server are on their way, the turn of these comes.
        """
        clock = self._assembly.clock.monotonic()
        carrier = self._assembly.carriers[mirror.settings.server]
        at_work = {one.kind for one in carrier.under_way}
        moving = {kind for group in GROUPS if not at_work.isdisjoint(group) for kind in group}
        before, now = self._heads.get(mirror.name, {}), Heads()
        brake = mirror.brake
        for kind, (number, board) in standing.heads(connection, mirror.number).items():
            fetching = kind == ActionKind.DOWNLOAD.value
            if brake.stops_all() or (fetching and brake.stops_downloads()):
                continue  # it waits on purpose
            if kind == ActionKind.UPLOAD and board not in mirror.seen_boards:
                continue
            same = kind in before and before[kind][0] == number and kind not in moving
            now[kind] = (number, before[kind][1] if same else clock)
        self._heads[mirror.name] = now
        waited = max((clock - since for _, since in now.values()), default=0.0)
        if waited >= self._patience.stuck:
            words = f"{mirror.name}: pictures wait to be carried, and none is"
            yield _of(mirror, Kind.IDLE, words, moment - int(waited * 1000))

    def _of_files(self, connection: Connection, mirror: Mirror, moment: int) -> Iterator[Cause]:
        restless = self._restless.setdefault(mirror.key, Restless(mirror.key))
        restless.look(connection, mirror.number, moment)
        old = restless.waiting(moment - int(self._patience.files * 1000))
        if old is not None:
            yield _of(mirror, Kind.CHANGING, _restless_words(mirror, old), old.since_ms)
        refused = self._refused.get(mirror.name, (None, Refused()))[1]
        if refused.since_ms is not None:
            others = f" and {refused.unreadable - 1} more" if refused.unreadable > 1 else ""
            words = f"{mirror.name}: {show(refused.path)}{others} may not be read"
            yield _of(mirror, Kind.UNREADABLE, words, refused.since_ms)
        if refused.count:
            words = f"{mirror.name}: {refused.count} pictures refused; see `boardsync status`"
            yield _of(mirror, Kind.REFUSED, words, moment)

    async def _count_refused(self) -> None:
        """Count what is refused, after each walk of a folder: it goes through all files."""
        state = self._assembly.state
        for mirror in self._assembly.mirrors:
            with state.read() as connection:
                scanned = places.scanned_ms(connection, mirror.number)
            known = self._refused.get(mirror.name)
            if known is None or known[0] != scanned:
                found = await asyncio.to_thread(self._refused_of, mirror)
                self._refused[mirror.name] = (scanned, found)

    def _refused_of(self, mirror: Mirror) -> Refused:
        with self._assembly.state.read() as connection:
            return standing.refused(connection, mirror.number, NOT_ALLOWED)

    async def _keep(self) -> None:
        moment = now_ms(self._assembly.clock)
        for restless in self._restless.values():
            fresh, over = restless.to_keep(moment)
            if fresh or over:
                await self._assembly.state.write(partial(write_kept, fresh=fresh, over=over))


def _of(mirror: Mirror, kind: Kind, words: str, since_ms: int) -> Cause:
    return Cause(kind, mirror.name, mirror.key, words, since_ms)


def _own(kind: Kind, words: str, since_ms: int) -> Cause:
    return Cause(kind, DAEMON, DAEMON, words, since_ms)


def _restless_words(mirror: Mirror, old: Waiting) -> str:
    others = f" and {old.count - 1} more" if old.count > 1 else ""
    return (
        f"{mirror.name}: {show(old.path)}{others} never stopped changing, or cannot be read whole,"
        " and is not mirrored"
    )


def _is_paused(mirror: Mirror) -> bool:
    """Tell whether its brake is on because a person asked: what it then leaves undone is wanted."""
    return mirror.brake.pause() is not None
