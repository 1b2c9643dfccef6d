"""The pictures of a history, and what a server makes of them that encodes everything anew."""

from __future__ import annotations

from boardsync.formats import PNG
from picture_samples import chunk, sample

ENCODED_ANEW = chunk(b"tEXt", b"server\0encoded anew")
IEND_BYTES = 12
SIZE = (3, 2)
"""Width and height of every picture, in pixels."""


def encoded_anew(content: bytes) -> bytes:
    """Return a picture as a server gives it back that encodes everything anew: the same pixels."""
    if ENCODED_ANEW in content:
        return content
    return content[:-IEND_BYTES] + ENCODED_ANEW + content[-IEND_BYTES:]


def plain(content: bytes) -> bytes:
    """Return a picture as people made it."""
    return content.replace(ENCODED_ANEW, b"")


def picture(number: int) -> bytes:
    """Return a tiny picture; another one for each number."""
    return sample(PNG, "RGB", SIZE, seed=number)
