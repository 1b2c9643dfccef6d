"""Cuts a folder's files into spans, each of which one digest stands for.

An unchanged span is one row to compare. The spans of a folder are next to one another and cover
all paths there can be; they stay where they were, whatever comes and goes within them.
"""

from __future__ import annotations

import hashlib
import marshal
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from boardsync.index.database import Index
from boardsync.local.runs import Seen

SPAN: Final = 1000
"""Files in a new span; one that has grown to twice as many is cut."""


class Span(NamedTuple):
    """The files from a path to before another, None for the last; and what was seen there."""

    first: bytes
    until: bytes | None
    seen: list[Seen]

    @property
    def digest(self) -> bytes:
        """What stands for all that was seen. Of version 2: later ones depend on who else refers."""
        return hashlib.blake2b(marshal.dumps(self.seen, 2), digest_size=16).digest()


class Recorded:
    """The spans of a folder as they were when they were last the same as its rows."""

    def __init__(self, index: Index, folder: int) -> None:
        rows = index.ask(
            "SELECT first, until, digest FROM span WHERE folder = ? ORDER BY first", (folder,)
        )
        self._known = {first: (until, digest) for first, until, digest in rows}

    @property
    def borders(self) -> Iterator[bytes]:
        """Where spans begin."""
        return iter(self._known)

    def is_as_before(self, span: Span) -> bool:
        """Tell whether the rows of a span are exactly what was seen."""
        return self._known.get(span.first) == (span.until, span.digest)


def cut(
    found: Iterable[list[Seen]], borders: Iterator[bytes], first: bytes, until: bytes | None
) -> Iterator[Span]:
    """Cut what was found between two paths at the borders, and where it is too much for one span.

    A span in which nothing is left becomes a part of the next.
    """
    ahead: list[Seen] = []
    border = next((one for one in borders if one > first), None)
    for run in found:
        ahead += run
        while ahead:
            if border is not None and ahead[-1][0] >= border:
                count, end = bisect_left(ahead, (border,)), border
                border = next(borders, None)
            elif len(ahead) >= 2 * SPAN:
                count, end = SPAN, ahead[SPAN][0]
            else:
                break
            if count:
                yield Span(first, end, ahead[:count])
                first = end
                del ahead[:count]
    yield Span(first, until, ahead)


def record(index: Index, folder: int, span: Span) -> None:
    """Record, in the transaction that saw it, that the rows of a span are exactly what was seen."""
    before = "SELECT max(first) FROM span WHERE folder = ? AND first <= ?"
    index.tell(
        f"DELETE FROM span WHERE folder = ? AND first >= coalesce(({before}), x'')"
        " AND (? IS NULL OR first < ?) AND (until IS NULL OR until > ?)",
        (folder, folder, span.first, span.until, span.until, span.first),
    )
    index.tell(
        "INSERT INTO span (folder, first, until, digest) VALUES (?, ?, ?, ?)",
        (folder, span.first, span.until, span.digest),
    )


def forget_all(index: Index, folder: int) -> None:
    """Forget a folder's spans."""
    index.tell("DELETE FROM span WHERE folder = ?", (folder,))
