"""What keeps a mirror's transfers from starting although they are due: pause, quiet, a full disk.

Whatever is under way finishes. A pause is a person's, and stops looking as well; quiet hours and
room on the disk are the settings', and only stop what would be carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection

from boardsync.config.limits import Floor
from boardsync.config.model import LimitSettings, Settings
from boardsync.engine.clock import Clock, SystemClock, now_ms
from boardsync.engine.wall import Wall, zone_of
from boardsync.plan.timetable import Week, Window
from boardsync.state import pauses
from boardsync.state.database import State
from boardsync.state.pauses import ALL, SERVER, PauseRecord, longest

ROOM_SECONDS = 15.0
"""Between two looks whether there is room again."""


def without_limits() -> LimitSettings:
    """Return limits that stop nothing."""
    return LimitSettings(free_disk=None)


class Pauses:
    """The pauses of a state that this process owns: nobody else changes them meanwhile."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: list[PauseRecord] = []
        self.read()

    def read(self) -> None:
        """Read them anew: they were changed."""
        with self._state.read() as connection:
            self._known = pauses.lasting(connection, 0)

    def stopping(self, mirror: str, server: str, now: int) -> PauseRecord | None:
        """Return what stops a mirror, by its id, now."""
        if not self._known:
            return None
        return longest([one for one in self._known if one.lasts(now) and one.stops(mirror, server)])


@dataclass(slots=True)
class Brake:
    """One mirror's brake. pauses None: nobody can pause it.

    limits: tells those in force, which may change at any time. own_quiet: its server's hours.
    shortage: what was missing on the disk when it was last looked at; that is believed up to
    full_until, which is monotonic.
    """

    mirror: str = ""
    server: str = ""
    clock: Clock = field(default_factory=SystemClock)
    pauses: Pauses | None = None
    limits: Callable[[], LimitSettings] = without_limits
    own_quiet: tuple[Window, ...] = ()
    shortage: str | None = None
    full_until: float = 0.0
    _lifted: int = 0

    @property
    def quiet(self) -> Week:
        """The quiet hours, everybody's and its server's."""
        return week_of(self.limits(), self.own_quiet)

    @property
    def floor(self) -> Floor | None:
        """What is to stay free on the disk that is pulled to."""
        return self.limits().free_disk

    @property
    def wall(self) -> Wall:
        return Wall(self.clock, zone_of(self.limits().timezone))

    def pause(self) -> PauseRecord | None:
        """Return the pause of now."""
        if self.pauses is None:
            return None
        return self.pauses.stopping(self.mirror, self.server, now_ms(self.clock))

    def is_quiet(self) -> bool:
        """Tell whether quiet hours are now."""
        return self.quiet.holds(self.wall.moment())

    def stops_all(self) -> bool:
        """Tell whether no transfer may start."""
        return not self._lifted and (self.pause() is not None or self.is_quiet())

    def stops_downloads(self) -> bool:
        """Tell whether there was no room for downloads a moment ago."""
        return self.shortage is not None and self.clock.monotonic() < self.full_until

    def lacks_room(self) -> str | None:
        """Say why downloads wait, if they do: the next look may be under way just now."""
        late = self.clock.monotonic() >= self.full_until + ROOM_SECONDS
        return None if late else self.shortage

    def note_room(self, shortage: str | None) -> None:
        """Take note of what a look at the disk found."""
        self.shortage = shortage
        self.full_until = self.clock.monotonic() + ROOM_SECONDS

    def look_again(self) -> None:
        """Have the disk looked at before the next download, however full it was."""
        self.full_until, self.shortage = 0.0, None

    def words(self) -> str | None:
        """Say why nothing starts now, if that is so."""
        pause = self.pause()
        if pause is not None:
            return pause_words(pause, self.wall)
        return quiet_words(self.quiet, self.wall)

    def seconds_to_release(self) -> float | None:
        """Return when what stops everything may end by itself. None: somebody says so."""
        pause = self.pause()
        if pause is not None:
            if pause.until_ms is None:
                return None
            return max(0.0, (pause.until_ms - now_ms(self.clock)) / 1000)
        moment = self.wall.moment()
        end = self.quiet.ends(moment)
        return None if end is None else (end - moment).total_seconds()

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Let transfers start in the block, paused, quiet or not: a person asked for just that."""
        self._lifted += 1
        try:
            yield
        finally:
            self._lifted -= 1


def week_of(limits: LimitSettings, own: Iterable[Window]) -> Week:
    """Return quiet hours: everybody's, and those of one server."""
    return Week((*limits.quiet, *own), zone_of(limits.timezone))


def resting(
    connection: Connection, settings: Settings, mirror: str, server: str, clock: Clock
) -> tuple[PauseRecord | None, str | None]:
    """Return what pauses a mirror, by its id, and in words why nothing of it starts now."""
    week = week_of(settings.limits, settings.servers[server].quiet)
    wall = Wall(clock, week.zone)
    pause = pauses.pause_of(connection, mirror, server, now_ms(clock))
    words = quiet_words(week, wall) if pause is None else pause_words(pause, wall)
    return pause, words


def pause_words(pause: PauseRecord, wall: Wall) -> str:
    """Say what is paused, since when and until when."""
    whose = {ALL: "everything is ", SERVER: f"server {pause.name!r} is "}.get(pause.scope, "")
    until = "" if pause.until_ms is None else f", until {_when(pause.until_ms, wall)}"
    return f"{whose}paused since {_when(pause.since_ms, wall)}{until}"


def quiet_words(week: Week, wall: Wall) -> str | None:
    """Say until when it is quiet, if it is."""
    moment = wall.moment()
    if not week.holds(moment):
        return None
    end = week.ends(moment)
    if end is None:
        return "quiet at all times: see `quiet` in the settings"
    there = end.astimezone(wall.zone)
    form = "%H:%M" if there.date() == wall.now().date() else "%Y-%m-%d %H:%M"
    return f"quiet until {there.strftime(form)}"


def _when(ms: int, wall: Wall) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.astimezone(wall.zone).strftime("%Y-%m-%d %H:%M")
