"""EXIF's UserComment: its eight bytes that name a character code, and what programs make of it."""

from __future__ import annotations

import codecs
from typing import Final, Literal

from boardsync.formats.embedded.texts import decoded

_CODE = 8
_LEAST_PLAIN: Final = 24
"""In bytes. A few ideographs may look like letters in their encoding, a dozen hardly ever do."""
_JAPANESE: Final = ("utf-8", "euc_jp", "shift_jis")
_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def user_comment(raw: bytes, order: Literal["little", "big"]) -> str:
    """Decode a UserComment.

    order: that of the EXIF block. The text often has the other one: the web UI writes big-endian
    text into little-endian blocks. So the zeros decide, and `order` where there are none.
    """
    code, body = raw[:_CODE], raw[_CODE:]
    if code.startswith(b"UNICODE"):
        # Some leave the eighth byte out.
        return _wide(body if code[7:] in (b"\0", b" ") else raw[7:], order)
    if code.rstrip(b"\0") == b"JIS":
        # What shifts between character sets is ISO 2022; elsewhere it is anybody's guess.
        return decoded(body, ("iso2022_jp", *_JAPANESE) if b"\x1b" in body else _JAPANESE)
    if code.rstrip(b"\0 ") == b"ASCII" or (len(raw) > _CODE and not code.strip(b"\0")):
        return decoded(body)
    return _wide(raw, order) if raw[:2] in _MARKS else decoded(raw)


def _wide(raw: bytes, order: Literal["little", "big"]) -> str:
    if raw[:2] in _MARKS:
        return raw.decode("utf-16", "replace").rstrip("\0")
    even, odd = raw[::2].count(0), raw[1::2].count(0)
    if not even and not odd and len(raw) >= _LEAST_PLAIN and _is_plain(raw):
        return decoded(raw)
    if even != odd:
        order = "big" if even > odd else "little"
    encoding = "utf-16-be" if order == "big" else "utf-16-le"
    return raw.decode(encoding, "replace").rstrip("\0")


def _is_plain(raw: bytes) -> bool:
    """Tell whether this is no UTF-16 at all, but UTF-8 under a wrong name: letters, mostly."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return False
    return sum(letter.isascii() and letter.isprintable() for letter in text) * 2 > len(text)
