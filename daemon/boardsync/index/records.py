"""What the index knows of folders and pictures, as values, and how seeds are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from boardsync.model import FileStat
from boardsync.plan.settling import CLOCK_GRANULARITY_NS

_POSITIVE: Final = 0x80
_NEGATIVE: Final = 0x7F


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to index. mirror: the name of the mirror whose it is."""

    root: bytes
    mirror: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the index stands with one folder.

    looked_ms: when all of it was last looked at, None for never. unread: pictures known to be
    there, but not what they tell.
    """

    root: bytes
    mirror: str | None
    looked_ms: int | None
    unread: int


@dataclass(frozen=True, slots=True)
class Contents:
    """How much of a folder is in the index. pictures: the unread ones included."""

    standing: Standing
    pictures: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture that was found. path: absolute. trouble: why it could not be read."""

    path: bytes
    mirror: str | None
    bytes: int
    mtime_ns: int
    seed: int | None
    width: int | None
    height: int | None
    prompt: str | None
    negative: str | None
    model: str | None
    model_hash: str | None
    loras: tuple[str, ...]
    software: str | None
    sampler: str | None
    scheduler: str | None
    trouble: str | None

    @property
    def name(self) -> str:
        """The path as text."""
        return os.fsdecode(self.path)


def may_hide_a_change(seen: FileStat, read_ns: int) -> bool:
    """Tell whether a file could have changed after its reading and look the same.

    By the time of its content: renames and permissions are none of ours.
    """
    return read_ns - seen.mtime_ns < CLOCK_GRANULARITY_NS


def seed_key(seed: int) -> bytes:
    """Return bytes that sort as seeds do: some programs' take 64 bits without a sign, or more."""
    size = (abs(seed).bit_length() + 7) // 8
    if seed >= 0:
        return bytes((_POSITIVE + size,)) + seed.to_bytes(size, "big")
    return bytes((_NEGATIVE - size,)) + ((1 << 8 * size) - 1 + seed).to_bytes(size, "big")


def seed_of(key: bytes) -> int:
    """Return the seed that such bytes stand for."""
    number = int.from_bytes(key[1:], "big")
    if key[0] >= _POSITIVE:
        return number
    return number + 1 - (1 << 8 * (len(key) - 1))
