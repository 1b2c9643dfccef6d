"""Quantities as people write them: `15 min`, `2 MB/s`, `512 MiB`. Pure text to numbers and back.

Durations become seconds, sizes become bytes, rates become bytes per second. Case matters in
units of bytes: `Mb` would be megabits, and a guess there is wrong by a factor of eight.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

_SECONDS = {
    "ms": 0.001,
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_BYTES = {
    "B": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("kMGT", start=1)},
    "KB": 1000,
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", start=1)},
}
_WRITTEN_SECONDS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_WRITTEN_BYTES = tuple((f"{prefix}iB", 1024**power) for power, prefix in ((3, "G"), (2, "M")))
_LONGEST_SECONDS = 36_525 * 86_400.0
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Words:
    """How a type is called, in messages and in the reference, and how its values are written.

    noun: with its article. details: what a message adds to it.
    """

    noun: str
    details: str = ""
    write: Callable[[Any], str] = str

    @property
    def expected(self) -> str:
        """What a message expects."""
        return f"{self.noun} {self.details}".rstrip()


def parse_duration(value: object) -> float:
    """Return seconds for `2s`, `15 min`, `1h 30min` or a plain number of seconds."""
    if isinstance(value, str):
        parts = _parts(value, _SECONDS, "duration")
        seconds = sum(number * _SECONDS[unit] for number, unit in parts)
    else:
        seconds = _plain_number(value, "duration")
    if seconds > _LONGEST_SECONDS:
        raise ValueError(f"{value!r} is more than a century")
    return seconds


def parse_interval(value: object) -> float:
    """Return seconds, like `parse_duration`, and refuse zero."""
    seconds = parse_duration(value)
    if seconds == 0:
        raise ValueError(f"{value!r} is no time at all")
    return seconds


def parse_size(value: object) -> int:
    """Return bytes for `512 MiB`, `1.5 GB` or a plain number of bytes; at least one."""
    if isinstance(value, str):
        parts = _parts(value, _BYTES, "size")
        amount = sum((number * _BYTES[unit] for number, unit in parts), start=0.0)
    else:
        amount = _plain_number(value, "size")
    if amount < 1:
        raise ValueError(f"{value!r} is less than one byte")
    return round(amount)


def parse_rate(value: object) -> int:
    """Return bytes per second for `2 MB/s`, `500 KiB/s` or a plain number of them."""
    if not isinstance(value, str):
        return parse_size(value)
    text = value.strip()
    if not text.endswith("/s"):
        raise ValueError(f"{value!r} is not a rate")
    return parse_size(text.removesuffix("/s"))


def parse_share(value: object) -> float:
    """Return a part of a whole, 0 to 1, for `10 %` or a plain number such as 0.1."""
    if isinstance(value, str):
        text = value.strip()
        number = text.removesuffix("%").strip()
        if not text.endswith("%") or not _NUMBER.fullmatch(number):
            raise ValueError(f"{value!r} is not a share")
        share = float(number) / 100
    else:
        share = _plain_number(value, "share")
    if share > 1:
        raise ValueError(f"{value!r} is more than all")
    return share


def write_share(share: float) -> str:
    """Write a part of a whole in percent."""
    return f"{share * 100:g} %"


def write_duration(seconds: float) -> str:
    """Write seconds in the largest unit that fits them exactly."""
    for unit, length in _WRITTEN_SECONDS:
        if seconds and seconds % length == 0:
            return f"{int(seconds // length)} {unit}"
    return f"{seconds:g} s"


def write_size(amount: int) -> str:
    """Write bytes in the largest binary unit that fits them exactly."""
    for unit, length in _WRITTEN_BYTES:
        if amount % length == 0:
            return f"{amount // length} {unit}"
    return str(amount)


def write_amount(amount: int) -> str:
    """Write bytes with a unit in any case, as it is needed inside of other words."""
    written = write_size(amount)
    return f"{written} B" if written.isdigit() else written


def _parts(
    text: str, units: Mapping[str, float] | Mapping[str, int], noun: str
) -> list[tuple[float, str]]:
    """Split `1h 30min` into numbers and known units; nothing else may stand between them."""
    parts = [(float(number), unit) for number, unit in _PART.findall(text)]
    leftover = _PART.sub("", text).strip()
    if not parts or leftover or any(unit not in units for _, unit in parts):
        raise ValueError(f"{text!r} is not a {noun}")
    return parts


def _plain_number(value: object, noun: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        # A TypeError would pass through pydantic as a crash.
        raise ValueError(f"{_kind(value)} is not a {noun}")  # noqa: TRY004
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{value!r} is not a {noun}")
    return float(value)


def _kind(value: object) -> str:
    """Name a value that is neither text nor number without printing all of it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return "a list" if isinstance(value, list) else "a section"


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Words("a duration", "such as 2 s, 15 min, 1 h or 1 d", write_duration),
]
"""Seconds, zero allowed."""

Interval = Annotated[
    float,
    BeforeValidator(parse_interval),
    Words("a duration above zero", "such as 2 s, 15 min, 1 h or 1 d", write_duration),
]
"""Seconds, never zero."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    Words("a size", "such as 512 MiB, 1.5 GB or bytes", write_size),
]
"""Bytes."""

Rate = Annotated[
    int,
    BeforeValidator(parse_rate),
    Words("a rate", "such as 2 MB/s, 500 KiB/s or bytes per second", write_size),
]
"""Bytes per second."""

Share = Annotated[
    float,
    BeforeValidator(parse_share),
    Words("a share", "such as 10 % or 0.1", write_share),
]
"""A part of a whole, 0 to 1."""
