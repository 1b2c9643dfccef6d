"""The settings of the process: how it stands back for others on the same machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator

from boardsync.config.base import Section
from boardsync.config.quantities import Words

_BEST_EFFORT = re.compile(r"best-effort\s+([0-7])", re.ASCII)


@dataclass(frozen=True, slots=True)
class DiskPriority:
    """When the disk serves us. level: 0, the first, to 7; None is when nobody else wants it."""

    level: int | None


def parse_disk_priority(value: object) -> DiskPriority:
    """Read `idle`, or `best-effort N`."""
    if isinstance(value, DiskPriority):
        return value
    text = value.strip() if isinstance(value, str) else ""
    found = _BEST_EFFORT.fullmatch(text)
    if found is None and text != "idle":
        raise ValueError(f"{value!r} is no priority of the disk")
    return DiskPriority(None if found is None else int(found[1]))


def write_disk_priority(priority: DiskPriority) -> str:
    """Write a priority as it is read."""
    return "idle" if priority.level is None else f"best-effort {priority.level}"


Nice = Annotated[
    int, Field(strict=True, ge=0, le=19), Words("a whole number from 0 to 19", "(19 is the nicest)")
]
Io = Annotated[
    DiskPriority,
    PlainValidator(parse_disk_priority),
    PlainSerializer(write_disk_priority),
    Words("idle, or best-effort with a number from 0 to 7", "", write_disk_priority),
]


class ProcessSettings(Section):
    """How a running daemon stands back for other programs of the machine."""

    nice: Nice | None = Field(
        default=None,
        description="How readily the processor is left to others; 19 is the most. null: as it was "
        "started.",
    )
    io: Io | None = Field(
        default=None,
        description="The same for the disk: `best-effort 0` to `best-effort 7`, or `idle`, only "
        "while nobody else uses it. null: as it was started.",
    )
