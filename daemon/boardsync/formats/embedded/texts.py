"""A text and where it was found; how content is read; and how much of it may be kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from boardsync.formats import Format

MOST_TEXT: Final = 8 * 1024 * 1024
"""Bytes of text kept of one picture, in sum. The largest graphs in the wild take two or three
megabytes; what a text costs in memory once it is parsed is a multiple of its length."""

MOST_TEXTS: Final = 500
"""Texts kept of one picture. Programs write ten or so; each costs an object."""


class Readable(Protocol):
    """Content that is read in pieces from any place: a file or bytes in memory."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def at(self, start: int, count: int) -> bytes:
        """Return up to `count` bytes from `start` on: fewer, or none, at the content's end."""


@dataclass(frozen=True, slots=True)
class InMemory:
    """Content that is there already."""

    content: bytes | memoryview

    @property
    def size(self) -> int:
        return len(self.content)

    def at(self, start: int, count: int) -> bytes:
        return bytes(self.content[start : start + count]) if start >= 0 and count > 0 else b""


@dataclass(frozen=True, slots=True)
class Text:
    """One text. source: the place in words, such as `PNG tEXt parameters`. keyword: its name."""

    source: str
    keyword: str
    value: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a picture carries.

    format: None when the content is of no known format. troubles: what could not be read, with
    the reason in words.
    """

    format: Format | None
    texts: tuple[Text, ...] = ()
    troubles: tuple[str, ...] = ()


_MOST_TROUBLES: Final = 50


@dataclass(slots=True)
class Findings:
    """Collects texts within the limits, and what is wrong with the rest."""

    left: int = MOST_TEXT
    texts: list[Text] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Tell whether nothing more is taken."""
        return len(self.texts) >= MOST_TEXTS

    def room_for(self, length: int, source: str) -> bool:
        """Tell whether a text of so many bytes may be read; a refusal is told."""
        if length <= self.left and not self.full:
            return True
        self.trouble(
            f"{source}: left out, {length} bytes are more than is read of one picture"
            f" ({MOST_TEXT} bytes in {MOST_TEXTS} texts)"
        )
        return False

    def add(self, source: str, keyword: str, value: str, cost: int) -> None:
        """Keep a text that cost so many bytes. One without content is not kept."""
        self.left -= cost
        if value.strip() and not self.full:
            self.texts.append(Text(source, keyword, value))

    def trouble(self, words: str) -> None:
        """Tell what could not be read; the same words once, and not without end."""
        if words not in self.troubles and len(self.troubles) < _MOST_TROUBLES:
            self.troubles.append(words)

    def as_embedded(self, known: Format | None) -> Embedded:
        """Return what was collected."""
        return Embedded(known, tuple(self.texts), tuple(self.troubles))


def decoded(raw: bytes, encodings: Iterable[str] = ("utf-8",)) -> str:
    """Decode text whose encoding nobody tells: the first that fits, at last Latin-1.

    Programs write UTF-8 where a format demands Latin-1, and Latin-1 hardly ever passes for UTF-8.
    """
    for encoding in encodings:
        try:
            return raw.decode(encoding).rstrip("\0")
        except UnicodeError:
            continue
    return raw.decode("latin-1").rstrip("\0")
