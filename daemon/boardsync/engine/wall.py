"""The clock on the wall: what time it is where the settings' times are read from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from boardsync.engine.clock import Clock
from boardsync.plan.timetable import Rates


class MachineZone(tzinfo):
    """The machine's own zone, with the steps of its clock. It follows the machine's settings."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:  # noqa: ARG002
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        """Return the time here; `fold` tells the second of two that look alike."""
        moment = dt.replace(tzinfo=UTC).timestamp()
        return datetime.fromtimestamp(moment).replace(tzinfo=self)  # noqa: DTZ006


@dataclass(frozen=True, slots=True)
class Wall:
    """A clock, read in a zone."""

    clock: Clock
    zone: tzinfo

    def moment(self) -> datetime:
        """Return now, in UTC."""
        return datetime.fromtimestamp(self.clock.now_ns() / 1e9, UTC)

    def now(self) -> datetime:
        """Return now as the wall shows it."""
        return self.moment().astimezone(self.zone)

    def rate(self, rates: Rates | None) -> int | None:
        """Return the rate of now, None without a limit."""
        if rates is None:
            return None
        if rates.always:
            return rates.entries[0].bytes_per_second if rates.entries else None
        return rates.at(self.now())


def zone_of(name: str | None) -> tzinfo:
    """Return the zone of a name, or the machine's own."""
    return MachineZone() if name is None else ZoneInfo(name)
