"""Proves that a plain PNG decodes, in a fraction of the time that decoding it takes.

Nothing can go wrong in decoding an 8-bit gray or true-colour PNG but its checksums, the length
of its inflated rows and their filter numbers. All of them are looked at here, and no picture is
built. Whatever is not as plain as that is left to `picture.decode`, which also says what is
wrong.
"""

from __future__ import annotations

from typing import Final

from deflate import DeflateError, adler32, zlib_decompress

from boardsync.formats.png import chunks

TELL_ORIENTATION: Final = frozenset(
    {"XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type APP1"}
)
"""Keywords of texts that may tell how the picture is to be turned."""

_SAMPLES: Final = {0: 1, 2: 3, 4: 2, 6: 4}
"""Colour types without a palette, and how many bytes a pixel of 8 bits a sample takes."""
_LENGTHS: Final = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7}
"""Chunks that change no pixel, and how long they have to be."""
_TEXTS: Final = frozenset({b"tEXt", b"iTXt"})
_MOST_TEXT: Final = 4 << 20
_MOST_ROWS: Final = 256 << 20
"""In bytes. What is larger is left to the decoder, which takes its time and says what it lacks."""
_KNOWN_FILTERS: Final = bytes(range(5))


def is_sound_plain_png(content: bytes) -> bool:
    """Tell whether this is a PNG that needs nothing, upright and in sRGB, and surely decodes.

    Its chunks and their CRCs must have been found in order (`formats.whole.check`). False says
    nothing against a picture.
    """
    packed = _plain_rows(content)
    if packed is None or packed[0] * packed[1] > _MOST_ROWS:
        return False
    row, height, pieces = packed
    try:
        return _are_rows(pieces, row, height)
    except (DeflateError, MemoryError):
        return False


def _plain_rows(content: bytes) -> tuple[int, int, list[memoryview]] | None:
    """Return the bytes a row takes, the rows, and their packed pieces; None when not plain."""
    row = height = text = 0
    pieces: list[memoryview] = []
    ended = False
    for kind, data in chunks(memoryview(content)):
        if kind == b"IDAT":
            if ended:
                return None
            pieces.append(data)
            continue
        ended = bool(pieces)
        if kind == b"IHDR":
            width, height = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
            depth, colours, compression, filtering, interlacing = data[8:13]
            if depth != 8 or colours not in _SAMPLES or compression or filtering or interlacing:
                return None
            row = 1 + width * _SAMPLES[colours]
        elif kind in _TEXTS:
            text += len(data)
            if text > _MOST_TEXT or not _is_plain_text(kind, data):
                return None
        elif _LENGTHS.get(kind) != len(data):
            return None
    return row, height, pieces


def _is_plain_text(kind: bytes, data: memoryview) -> bool:
    """Tell whether a text is not packed, and says nothing of how the picture is to be shown."""
    keyword, separator, _ = bytes(data[:80]).partition(b"\0")
    if not separator or keyword.decode("latin-1") in TELL_ORIENTATION:
        return False
    return kind == b"tEXt" or bytes(data[len(keyword) + 1 : len(keyword) + 2]) == b"\0"


def _are_rows(pieces: list[memoryview], row: int, height: int) -> bool:
    """Inflate all at once. row: bytes with its filter number, which is its first.

    Raises DeflateError when the packed rows are damaged or inflate to more.
    """
    packed = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    rows = zlib_decompress(packed, row * height)
    # Its checksum is the last of a stream: so nothing follows it.
    checksum = int.from_bytes(packed[-4:], "big")
    filters = rows[::row]
    return (
        len(rows) == row * height
        and adler32(rows) == checksum
        and not filters.translate(None, _KNOWN_FILTERS)
    )
