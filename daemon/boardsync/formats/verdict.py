"""What a look at the bytes says, and how far a picture reaches.

The walks of this package return an `Extent` or raise `PictureRefused` with the reason in
words; `formats.whole` turns either into a `Verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from boardsync.errors import PictureRefused
from boardsync.formats import Format

Order = Literal["little", "big"]


class Proof(Enum):
    """Why a picture is believed to be complete."""

    END_MARK = "its end mark is there"
    LENGTH = "everything its lengths promise is there"
    NONE = "nothing is seen to be missing, but nothing proves it"


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a picture ends, in bytes from the start, and what shows that it ends there.

    width and height are those of the stored pixels, before any orientation.
    """

    end: int
    proof: Proof
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be told of some content without decoding it.

    whole: complete, as far as can be told. certain: the bytes themselves prove what
    `whole` says; waiting would not change it for a writer that goes from front to back.
    reason: in words, for a person. width, height: as stored, before any orientation.
    hollow: whole by its lengths, but it ends in zeros, as a file does whose room was reserved
    before it was written.
    """

    format: Format | None
    whole: bool
    certain: bool
    reason: str
    width: int | None = None
    height: int | None = None
    hollow: bool = False


def demand(content: memoryview, end: int, what: str) -> None:
    """Raise PictureRefused unless `content` reaches to `end`. `what` would be cut off."""
    if end > len(content):
        raise PictureRefused(
            f"cut short: {what} would end at byte {end}, the content ends at {len(content)}"
        )


def number(content: memoryview, start: int, size: int, order: Order, what: str) -> int:
    """Read an unsigned number. Raises PictureRefused when it is cut off."""
    demand(content, start + size, what)
    return int.from_bytes(content[start : start + size], order)
