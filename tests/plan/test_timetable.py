"""What the clock on the wall says: windows, rates by time, and when what it says ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.plan.timetable import EVERY_DAY, MINUTES, Rate, Rates, Week, Window

BERLIN = ZoneInfo("Europe/Berlin")
"""02:00 to 03:00 is left out on 29 March 2026, and comes twice on 25 October."""
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
"""Steps by half an hour, on 5 April and 4 October 2026."""
MONDAY_TO_FRIDAY = frozenset(range(5))
WORK = Window(8 * 60, 18 * 60, MONDAY_TO_FRIDAY)
NIGHT = Window(22 * 60, 6 * 60, MONDAY_TO_FRIDAY)

windows = st.builds(
    Window,
    st.integers(0, MINUTES - 1),
    st.integers(0, MINUTES),
    st.frozensets(st.integers(0, 6), min_size=1),
).filter(lambda one: one.start != one.end)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "wall", "holds"),
    [
        (WORK, "2026-11-27 08:00", True),  # a Friday
        (WORK, "2026-11-27 17:59:59", True),
        (WORK, "2026-11-27 18:00", False),
        (WORK, "2026-11-27 07:59:59", False),
        (WORK, "2026-11-28 12:00", False),
        (NIGHT, "2026-11-27 22:00", True),
        (NIGHT, "2026-11-28 05:59", True),  # Friday's night ends on Saturday
        (NIGHT, "2026-11-28 06:00", False),
        (NIGHT, "2026-11-28 22:00", False),
        (NIGHT, "2026-11-30 05:00", False),  # Sunday's night is none
        (Window(), "2026-11-30 00:00", True),
        (Window(days=frozenset({6})), "2026-11-29 23:59", True),
        (Window(22 * 60, MINUTES), "2026-11-29 23:59", True),
        (Window(22 * 60, MINUTES), "2026-11-30 00:00", False),
    ],
)
def test_a_window_holds_from_its_start_up_to_its_end(
    window: Window, wall: str, holds: bool
) -> None:
    assert window.holds(datetime.fromisoformat(wall)) is holds


def test_the_first_rate_that_holds_counts_and_without_one_there_is_no_limit() -> None:
    rates = Rates((Rate(10, WORK), Rate(None, Window(12 * 60, 20 * 60)), Rate(99, NIGHT)))
    told = [rates.at(datetime(2026, 11, 27, hour, tzinfo=UTC)) for hour in (7, 8, 19, 21, 22)]
    assert told == [None, 10, None, None, 99]
    assert Rates().at(datetime(2026, 11, 27, tzinfo=UTC)) is None
    assert Rates((Rate(5),)).always
    assert not rates.always


def test_quiet_ends_when_the_last_of_its_windows_does() -> None:
    week = Week((WORK, Window(17 * 60, 19 * 60)), BERLIN)
    assert week.ends(berlin("2026-11-27 09:00")) == berlin("2026-11-27 19:00")
    assert week.ends(berlin("2026-11-27 19:00")) == berlin("2026-11-28 17:00")


def test_what_never_changes_has_no_end() -> None:
    assert Week((Window(),), BERLIN).ends(berlin("2026-11-27 09:00")) is None
    assert Week((), BERLIN).ends(berlin("2026-11-27 09:00")) is None
    halves = (Window(0, 12 * 60), Window(12 * 60, MINUTES))
    assert Week(halves, BERLIN).ends(berlin("2026-11-27 09:00")) is None


def test_a_window_on_one_day_of_the_week_is_found_from_the_day_after_it() -> None:
    week = Week((Window(8 * 60, 9 * 60, frozenset({0})),), BERLIN)
    assert week.ends(berlin("2026-11-30 09:00")) == berlin("2026-12-07 08:00")


def test_a_time_that_the_clock_jumps_over_begins_where_it_lands() -> None:
    week = Week((Window(2 * 60 + 30, 4 * 60),), BERLIN)
    assert week.ends(utc("2026-03-29 00:00")) == utc("2026-03-29 01:00")  # 03:00 on the wall
    assert week.ends(utc("2026-03-29 01:00")) == utc("2026-03-29 02:00")


def test_a_window_inside_of_what_is_jumped_over_does_not_come() -> None:
    week = Week((Window(2 * 60 + 10, 2 * 60 + 50),), BERLIN)
    assert week.ends(utc("2026-03-29 00:00")) == utc("2026-03-30 00:10")


def test_a_time_that_comes_twice_holds_twice() -> None:
    week = Week((Window(2 * 60, 2 * 60 + 30),), BERLIN)
    ends = [utc("2026-10-24 23:00")]
    for _ in range(4):
        found = week.ends(ends[-1])
        assert found is not None
        ends.append(found)
    assert [one.strftime("%H:%M") for one in ends] == ["23:00", "00:00", "00:30", "01:00", "01:30"]


@given(
    window=windows,
    other=windows,
    zone=st.sampled_from([BERLIN, LORD_HOWE, UTC, ZoneInfo("America/St_Johns")]),
    day=st.sampled_from(["2026-03-29", "2026-10-25", "2026-04-05", "2026-10-04", "2026-11-27"]),
    minute=st.integers(-MINUTES, MINUTES),
    second=st.integers(0, 59),
)
def test_the_end_is_the_first_minute_that_is_told_something_else(
    window: Window, other: Window, zone: ZoneInfo, day: str, minute: int, second: int
) -> None:
    week = Week((window, other), zone)
    moment = utc(day) + timedelta(minutes=minute, seconds=second)
    now, found = week.holds(moment), week.ends(moment)
    if found is not None:
        assert found > moment
        assert week.holds(found) is not now
        assert week.holds(found - timedelta(seconds=1)) is now or found - moment < timedelta(
            seconds=1
        )
    last = found or moment + timedelta(days=8)
    step = moment.replace(second=0) + timedelta(minutes=1)
    while step < last:
        assert week.holds(step) is now
        step += timedelta(minutes=1)


@given(window=windows, moment=st.datetimes())
def test_a_window_of_every_day_holds_by_the_time_alone(window: Window, moment: datetime) -> None:
    every = Window(window.start, window.end, EVERY_DAY)
    minute = moment.hour * 60 + moment.minute
    inside = (minute - window.start) % MINUTES < (window.end - window.start) % MINUTES
    whole = (window.end - window.start) % MINUTES == 0
    assert every.holds(moment) is (inside or whole)
