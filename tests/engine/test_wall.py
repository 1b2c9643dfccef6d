"""The clock on the wall, in a zone of the settings and in the machine's own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from boardsync.engine.wall import MachineZone, Wall, zone_of
from boardsync.plan.timetable import Rate, Rates, Week, Window
from engine.world import SkippingClock


class StandingClock(SkippingClock):
    def __init__(self, moment: datetime) -> None:
        super().__init__()
        self.moment = moment

    def now_ns(self) -> int:
        return int(self.moment.timestamp()) * 1_000_000_000


@pytest.fixture
def machine_in_berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("machine_in_berlin")
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-11-27"])
def test_the_machines_own_zone_shows_what_its_name_would(day: str) -> None:
    named, own = ZoneInfo("Europe/Berlin"), MachineZone()
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=2)
    for _ in range(4 * 8):
        there, here = moment.astimezone(named), moment.astimezone(own)
        assert here.replace(tzinfo=None) == there.replace(tzinfo=None)
        assert (here.fold, here.utcoffset()) == (there.fold, there.utcoffset())
        assert here.tzname() == there.tzname()
        assert here.astimezone(UTC) == moment
        moment += timedelta(minutes=15)


@pytest.mark.usefixtures("machine_in_berlin")
def test_windows_end_at_the_same_moment_in_the_machines_zone_and_in_the_named_one() -> None:
    windows = (Window(150, 240), Window(22 * 60, 6 * 60, frozenset({5})))
    moment = datetime(2026, 3, 26, 12, tzinfo=UTC)
    for _ in range(12):
        ends = {Week(windows, zone_of(name)).ends(moment) for name in (None, "Europe/Berlin")}
        [end] = ends
        assert end is not None
        moment = end


def test_a_rate_by_time_follows_the_wall_and_another_one_needs_no_clock() -> None:
    clock = StandingClock(datetime(2026, 11, 27, 6, 59, tzinfo=UTC))
    wall = Wall(clock, zone_of("Europe/Berlin"))
    rates = Rates((Rate(1_000, Window(8 * 60, 18 * 60)), Rate(5_000)))
    assert wall.rate(rates) == 5_000
    clock.moment += timedelta(minutes=1)
    assert wall.rate(rates) == 1_000
    assert wall.rate(Rates((Rate(7),))) == 7
    assert wall.rate(None) is None
