"""The tags of an EXIF block, read and written: those that are listed here, and no others.

Everything that a block says of itself may be a lie: values point anywhere, directories at
themselves. Layout: Exif 3.0, TIFF 6.0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from boardsync.formats.embedded.exif import MOST_DIRECTORIES, MOST_ENTRIES, PREFIX
from boardsync.formats.embedded.texts import MOST_TEXT

DESCRIPTION: Final = 0x010E
MODEL: Final = 0x0110
ORIENTATION: Final = 0x0112
USER_COMMENT: Final = 0x9286
MAKER_NOTE: Final = 0x927C
_EXIF, _GPS = 0x8769, 0x8825

_TELLING: Final = frozenset(
    {
        DESCRIPTION, 0x010F, MODEL, ORIENTATION, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132,
        0x013E, 0x013F, 0x0211, 0x0213, 0x0214, 0x4746, 0x4749, 0x8298, 0x829A, 0x829D, 0x8822,
        0x8827, *range(0x8830, 0x8836), 0x9000, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9101,
        0x9102, *range(0x9201, 0x920B), 0x9214, USER_COMMENT, 0x9290, 0x9291, 0x9292,
        0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F, *range(0xA000, 0xA004), 0xA20E, 0xA20F, 0xA210, 0xA215,
        0xA217, 0xA300, 0xA301, 0xA302, *range(0xA401, 0xA40B), 0xA40C, 0xA432, 0xA433, 0xA434,
        0xA460, 0xA500,
    }
)  # fmt: skip
"""How the picture was taken or made, and how it is to be shown."""
_PRIVATE: Final = frozenset(
    {MAKER_NOTE, 0x010D, 0x013B, 0x013C, 0x9C9D, 0xA420, 0xA430, 0xA431, 0xA435, 0xC62F}
)
"""Maker's note, document's name, artist, host, author, unique id, owner, serial numbers."""
_SCHEMES: Final = frozenset({b"fooocus", b"a1111"})
"""What Fooocus writes where cameras have their notes: how its texts are to be read."""

_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 129: 1}
_ASCII, _SHORT, _LONG, _UNDEFINED = 2, 3, 4, 7

Order = Literal["little", "big"]


@dataclass(frozen=True, slots=True)
class Tag:
    """The value of a tag as it is stored, in the order of its block."""

    kind: int
    data: bytes = field(repr=False)


@dataclass(slots=True)
class Tags:
    """What an EXIF block says, by directory. dropped: something in it was not kept."""

    order: Order = "little"
    first: dict[int, Tag] = field(default_factory=dict)
    exif: dict[int, Tag] = field(default_factory=dict)
    gps: dict[int, Tag] = field(default_factory=dict)
    dropped: bool = False

    def __bool__(self) -> bool:
        return bool(self.first or self.exif or self.gps)

    def set_upright(self) -> None:
        """Forget the orientation: the pixels lie as they are to be shown."""
        self.first.pop(ORIENTATION, None)
        self.exif.pop(ORIENTATION, None)

    def has_comment(self) -> bool:
        """Tell whether there is a UserComment, wherever programs put it."""
        return USER_COMMENT in self.exif or USER_COMMENT in self.first

    def set_comment(self, text: str) -> None:
        """Set the UserComment, as the web UI writes it."""
        raw = b"UNICODE\0" + text.encode("utf-16-be", "replace")
        self.exif[USER_COMMENT] = Tag(_UNDEFINED, raw)

    def set_description(self, text: str) -> None:
        """Set the ImageDescription."""
        self.first[DESCRIPTION] = Tag(_ASCII, text.encode("utf-8", "replace") + b"\0")


def read_tags(block: bytes, *, private: bool) -> Tags:
    """Read the tags of a block, with or without the prefix that JPEG demands.

    private: also those that tell whose picture it is, and where it was taken. What is damaged is
    left out. Of a TIFF, what describes its pixels is left out.
    """
    body = memoryview(block)[len(PREFIX) :] if block.startswith(PREFIX) else memoryview(block)
    mark = bytes(body[:4])
    if len(body) < 8 or mark not in (b"II*\0", b"MM\0*"):
        return Tags(dropped=True)
    tags = Tags(order="little" if mark[:1] == b"I" else "big")
    reader = _Reader(body, tags, private)
    following = reader.directory(reader.number(body[4:8]), tags.first)
    if following:  # the thumbnail's
        tags.dropped = True
    return tags


@dataclass(slots=True)
class _Reader:
    body: memoryview
    tags: Tags
    private: bool
    left: int = MOST_TEXT
    seen: set[int] = field(default_factory=set)

    def number(self, raw: bytes | memoryview) -> int:
        return int.from_bytes(raw, self.tags.order)

    def directory(self, offset: int, into: dict[int, Tag]) -> int:
        """Read one directory; return where the next one is."""
        if offset in self.seen or len(self.seen) >= MOST_DIRECTORIES:
            return 0
        self.seen.add(offset)
        count = self.number(self.body[offset : offset + 2])
        if count > MOST_ENTRIES:
            self.tags.dropped = True
        for index in range(min(count, MOST_ENTRIES)):
            start = offset + 2 + index * 12
            entry = self.body[start : start + 12]
            if len(entry) < 12:
                self.tags.dropped = True
                return 0
            self._entry(entry, into)
        end = offset + 2 + count * 12
        return self.number(self.body[end : end + 4])

    def _entry(self, entry: memoryview, into: dict[int, Tag]) -> None:
        number, kind = self.number(entry[:2]), self.number(entry[2:4])
        if number == _EXIF and into is self.tags.first:
            self.directory(self.number(entry[8:12]), self.tags.exif)
            return
        if number == _GPS and into is self.tags.first and self.private:
            self.directory(self.number(entry[8:12]), self.tags.gps)
            return
        length = _SIZES.get(kind, 0) * self.number(entry[4:8])
        place = self.number(entry[8:12])
        data = entry[8 : 8 + length] if length <= 4 else self.body[place : place + length]
        if 0 < length == len(data) <= self.left and self._is_kept(number, bytes(data), into):
            self.left -= length
            into[number] = Tag(kind, bytes(data))
        else:
            self.tags.dropped = True

    def _is_kept(self, number: int, data: bytes, into: dict[int, Tag]) -> bool:
        if into is self.tags.gps:
            return True
        if number == MAKER_NOTE and data.rstrip(b"\0") in _SCHEMES:
            return True
        return number in _TELLING or (self.private and number in _PRIVATE)


def write_tags(tags: Tags) -> bytes:
    """Write a block, without the prefix that JPEG demands."""
    first = dict(tags.first)
    for pointer, directory in ((_EXIF, tags.exif), (_GPS, tags.gps)):
        if directory:
            first[pointer] = Tag(_LONG, bytes(4))
    start = 8 + _length(first)
    if tags.exif:
        first[_EXIF] = Tag(_LONG, start.to_bytes(4, tags.order))
        start += _length(tags.exif)
    if tags.gps:
        first[_GPS] = Tag(_LONG, start.to_bytes(4, tags.order))
    head = (b"II*\0" if tags.order == "little" else b"MM\0*") + (8).to_bytes(4, tags.order)
    parts, position = [head], 8
    for directory in filter(None, (first, tags.exif, tags.gps)):
        parts.append(_written(directory, position, tags.order))
        position += len(parts[-1])
    return b"".join(parts)


def _length(directory: dict[int, Tag]) -> int:
    values = sum(_padded(len(tag.data)) for tag in directory.values() if len(tag.data) > 4)
    return 2 + 12 * len(directory) + 4 + values


def _padded(length: int) -> int:
    """Values begin at even places."""
    return length + (length & 1)


def _written(directory: dict[int, Tag], start: int, order: Order) -> bytes:
    entries, values = [len(directory).to_bytes(2, order)], list[bytes]()
    place = start + 2 + 12 * len(directory) + 4
    for number, tag in sorted(directory.items()):
        count = len(tag.data) // _SIZES[tag.kind]
        entries.append(number.to_bytes(2, order) + tag.kind.to_bytes(2, order))
        entries.append(count.to_bytes(4, order))
        if len(tag.data) <= 4:
            entries.append(tag.data.ljust(4, b"\0"))
            continue
        entries.append(place.to_bytes(4, order))
        values.append(tag.data.ljust(_padded(len(tag.data)), b"\0"))
        place += len(values[-1])
    return b"".join([*entries, bytes(4), *values])
