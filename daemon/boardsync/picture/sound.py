"""Proves that a plain PNG decodes, in a fraction of the time that decoding it takes.

Nothing can go wrong in decoding an 8-bit gray or true-colour PNG but its checksums, the length
of its inflated rows and their filter numbers. All of them are looked at here, and no picture is
built. Whatever is not as plain as that is left to `picture.decode`, which also says what is
wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isal import isal_zlib

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
_UNSOUND: Final[type[Exception]] = vars(isal_zlib)["error"]  # its stubs call it an instance
_KNOWN_FILTERS: Final = bytes(range(5))
_INPUT_STEP: Final = 64 << 10
_OUTPUT_STEP: Final = 256 << 10
"""In bytes: what is inflated stays in the processor's cache, and a bomb stays small."""


def is_sound_plain_png(content: bytes) -> bool:
    """Tell whether this is a PNG that needs nothing, upright and in sRGB, and surely decodes.

    Its chunks and their CRCs must have been found in order (`formats.whole.check`). False says
    nothing against a picture.
    """
    packed = _plain_rows(content)
    if packed is None:
        return False
    row, height, pieces = packed
    try:
        return _inflates_to_rows(pieces, row, height)
    except _UNSOUND:
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


def _inflates_to_rows(pieces: list[memoryview], row: int, height: int) -> bool:
    """Inflate once, keeping nothing. row: bytes with its filter number, which is its first."""
    inflater = isal_zlib.decompressobj()
    position, wanted = 0, row * height
    for piece in _steps(pieces):
        if inflater.eof:
            return False
        data: bytes | memoryview = piece
        rows = b""
        # A full step may have left output behind although all input is consumed.
        while (data or len(rows) == _OUTPUT_STEP) and not inflater.eof:
            rows = inflater.decompress(data, _OUTPUT_STEP)
            if rows[-position % row :: row].translate(None, _KNOWN_FILTERS):
                return False
            position += len(rows)
            if position > wanted:
                return False
            data = inflater.unconsumed_tail
    return inflater.eof and not inflater.unused_data and position == wanted


def _steps(pieces: list[memoryview]) -> Iterator[memoryview]:
    for piece in pieces:
        for start in range(0, len(piece), _INPUT_STEP):
            yield piece[start : start + _INPUT_STEP]
