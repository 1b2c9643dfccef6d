"""The texts that a picture carries beside its pixels: chunks, EXIF, XMP, comments.

Pure: it reads through a `Readable`, jumps over the pixels, and never keeps more than the limits
below, however large or hostile the content is. What the texts mean is not its business; nothing
is decoded that is compressed with the pixels. `embedded_texts` never raises for content.
"""

from __future__ import annotations

from boardsync.formats.embedded.find import embedded_texts
from boardsync.formats.embedded.texts import (
    MOST_TEXT,
    MOST_TEXTS,
    Embedded,
    InMemory,
    Readable,
    Text,
)

__all__ = [
    "MOST_TEXT",
    "MOST_TEXTS",
    "Embedded",
    "InMemory",
    "Readable",
    "Text",
    "embedded_texts",
]
