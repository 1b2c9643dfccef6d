"""Which reader of texts fits which format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from boardsync.formats import AVIF, HEAD_SIZE, HEIC, JPEG, PNG, TIFF, WEBP, Format, sniff
from boardsync.formats.embedded import exif, heif, jpeg, png, webp
from boardsync.formats.embedded.texts import Embedded, Findings, Readable

_READERS: Final[Mapping[Format, Callable[[Readable, Findings], None]]] = {
    PNG: png.read,
    JPEG: jpeg.read,
    WEBP: webp.read,
    AVIF: heif.read,
    HEIC: heif.read,
    TIFF: exif.read_tiff,
}


def embedded_texts(content: Readable) -> Embedded:
    """Find the texts of a picture, by what its bytes say it is and not by its name.

    Content that is cut short gives what stands before the cut. Formats that carry no texts, and
    what is no picture, give none.
    """
    known = sniff(content.at(0, HEAD_SIZE))
    findings = Findings()
    if known is not None and known in _READERS:
        _READERS[known](content, findings)
    return findings.as_embedded(known)
