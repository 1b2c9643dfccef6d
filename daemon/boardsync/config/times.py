"""Times of the week as people write them: `mon-fri 08:00-18:00`, and rates that follow them."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, PlainSerializer, PlainValidator

from boardsync.config.quantities import Words, parse_rate, write_amount
from boardsync.plan.timetable import EVERY_DAY, MINUTES, Rate, Rates, Window

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIMES = re.compile(r"(\d{1,2}:\d\d)\s*-\s*(\d{1,2}:\d\d)", re.ASCII)
_ENTRY = frozenset({"when", "rate"})


def parse_window(value: object) -> Window:
    """Read days, a time from and to, or both. What ends before it starts passes midnight."""
    if isinstance(value, Window):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is not a time of the week")
    times = _TIMES.search(value)
    days = value if times is None else value[: times.start()]
    if times is not None and value[times.end() :].strip():
        raise ValueError(f"{value!r} is not a time of the week")
    wanted = _days(days.strip().lower(), value) if days.strip() else EVERY_DAY
    if times is None:
        return Window(days=wanted)
    start, end = _minute(times[1], value), _minute(times[2], value)
    if start in (end, MINUTES):
        raise ValueError(f"{value!r} is no time at all")
    return Window(start, end, wanted)


def _days(text: str, value: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = (one.strip() for one in part.partition("-"))
        if first not in DAYS or (last or first) not in DAYS or part.strip().endswith("-"):
            raise ValueError(f"{value!r} names no day that is known")
        start, end = DAYS.index(first), DAYS.index(last or first)
        days.update(day % 7 for day in range(start, end + 1 + (7 if end < start else 0)))
    return frozenset(days)


def _minute(text: str, value: str) -> int:
    hour, minute = (int(part) for part in text.split(":"))
    total = hour * 60 + minute
    if minute >= 60 or total > MINUTES:
        raise ValueError(f"{value!r} is not a time of the week")
    return total


def parse_rates(value: object) -> Rates:
    """Read one rate, or a list of rates with their times; the first whose time it is counts."""
    if isinstance(value, Rates):
        return value
    if not isinstance(value, list):
        return Rates((Rate(parse_rate(value)),))
    if not value:
        raise ValueError("the list is empty")
    entries = tuple(_entry(one, place) for place, one in enumerate(value, start=1))
    always = [place for place, one in enumerate(entries, start=1) if one.window is None]
    if always and always[0] < len(entries):
        raise ValueError(f"after entry {always[0]}, which always holds, none is ever looked at")
    return Rates(entries)


def _entry(value: object, place: int) -> Rate:
    if not isinstance(value, dict) or "rate" not in value or not value.keys() <= _ENTRY:
        raise ValueError(f"entry {place} is not a section of rate, and when it holds")
    try:
        rate = None if value["rate"] is None else parse_rate(value["rate"])
        return Rate(rate, parse_window(value["when"]) if "when" in value else None)
    except ValueError as error:
        raise ValueError(f"entry {place}: {error}") from error


def write_rates(rates: Rates) -> str:
    """Write rates as they are read."""
    if rates.always:
        return _rate(rates.entries[0]) if rates.entries else "null"
    parts = [
        f"{{when: {write_window(one.window)}, rate: {_rate(one)}}}"
        if one.window is not None
        else f"{{rate: {_rate(one)}}}"
        for one in rates.entries
    ]
    return f"[{', '.join(parts)}]"


def _rate(one: Rate) -> str:
    return "null" if one.bytes_per_second is None else f"{write_amount(one.bytes_per_second)}/s"


def write_window(window: Window) -> str:
    """Write a window as it is read."""
    days = ",".join(DAYS[day] for day in sorted(window.days))
    times = f"{_clock(window.start)}-{_clock(window.end)}"
    if window.days == EVERY_DAY:
        return times
    return days if (window.start, window.end) == (0, MINUTES) else f"{days} {times}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _zone(value: str) -> str:
    """Check the name of a time zone. Its rules are the machine's."""
    try:
        ZoneInfo(value)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(f"{value!r} is no time zone that this machine knows") from error
    return value


When = Annotated[
    Window,
    PlainValidator(parse_window),
    PlainSerializer(write_window),
    Words(
        "a time of the week", "such as 08:00-18:00, mon-fri 22:00-06:00 or sat,sun", write_window
    ),
]
RatesByTime = Annotated[
    Rates,
    PlainValidator(parse_rates),
    PlainSerializer(write_rates),
    Words(
        "a rate, or rates by time",
        "such as 2 MB/s, or [{when: mon-fri 08:00-18:00, rate: 1 MB/s}, {rate: 5 MB/s}]",
        write_rates,
    ),
]
ZoneName = Annotated[str, AfterValidator(_zone), Words("a time zone", "such as Europe/Berlin")]
