"""What the wall clock says about a moment: whether it lies in a window, and which rate is its own.

A window is read off the clock on the wall: it holds whenever that shows a time inside it. So a
time that a clock jumps over in spring holds for nobody, and one that comes twice in autumn holds
twice. Moments come in, with their zone; nothing here knows what time it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

MINUTES = 24 * 60
"""Of a day; as an end, midnight."""
EVERY_DAY = frozenset(range(7))
DAYS_AHEAD = 8
"""What does not change within a week never changes; the clock itself may step in that week."""
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """From a minute of the day to another one, that one excluded, on some days (0 is Monday).

    One that ends before it starts passes midnight, and belongs to the day that it starts on.
    """

    start: int = 0
    end: int = MINUTES
    days: frozenset[int] = EVERY_DAY

    def holds(self, wall: datetime) -> bool:
        """Tell whether a time on the wall lies inside."""
        minute, today = wall.hour * 60 + wall.minute, wall.weekday()
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        yesterday = (today - 1) % 7
        return (today in self.days and minute >= self.start) or (
            yesterday in self.days and minute < self.end
        )


@dataclass(frozen=True, slots=True)
class Rate:
    """So many bytes in a second, None without a limit, at the times of a window; or always."""

    bytes_per_second: int | None
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """A timetable of rates: the first that holds counts, and where none does there is no limit."""

    entries: tuple[Rate, ...] = ()

    def at(self, wall: datetime) -> int | None:
        """Return the rate at a time on the wall."""
        for entry in self.entries:
            if entry.window is None or entry.window.holds(wall):
                return entry.bytes_per_second
        return None

    @property
    def always(self) -> bool:
        """Whether the clock need not be asked."""
        return not self.entries or self.entries[0].window is None


@dataclass(frozen=True, slots=True)
class Week:
    """Windows on the clocks of one zone. Moments are aware."""

    windows: tuple[Window, ...] = ()
    zone: tzinfo = field(default=UTC)

    def holds(self, moment: datetime) -> bool:
        """Tell whether a moment lies in any of the windows."""
        if not self.windows:
            return False
        wall = moment.astimezone(self.zone)
        return any(window.holds(wall) for window in self.windows)

    def ends(self, moment: datetime) -> datetime | None:
        """Return when what a moment is told (inside or outside) ends; None: not within a week."""
        return next_change(moment, self.zone, self._minutes(), self.holds)

    def _minutes(self) -> set[int]:
        return {minute for one in self.windows for minute in (one.start, one.end)}


def next_change(
    moment: datetime, zone: tzinfo, minutes: Collection[int], told: Callable[[datetime], object]
) -> datetime | None:
    """Return the first moment after this one that is told something else; None: not in a week.

    minutes: of the day, at which the clock on the wall may change what it tells; it may do so at
    midnight, and where the clock itself steps, too.
    """
    now, before = told(moment), moment
    for after in sorted(_instants(moment, zone, {*minutes, 0})):
        last = after - _SECOND
        if last > before and told(last) != now:
            return _first_other(before, last, told, now)
        if told(after) != now:
            return after
        before = after
    return None


def _instants(moment: datetime, zone: tzinfo, minutes: Collection[int]) -> Iterator[datetime]:
    """Yield the moments after this one at which the wall shows one of these minutes, both times."""
    first = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    for day in range(DAYS_AHEAD + 1):
        for minute in minutes:
            wall = first.replace(tzinfo=None) + timedelta(days=day, minutes=minute)
            for fold in (0, 1):
                instant = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
                if instant > moment:
                    yield instant


def _first_other(
    low: datetime, high: datetime, told: Callable[[datetime], object], now: object
) -> datetime:
    """Return the first whole second, of those up to `high`, that is told something else.

    The clock steps once in between: what it tells changes once.
    """
    low = low.replace(microsecond=0)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if told(middle) == now:
            low = middle
        else:
            high = middle
    return high
