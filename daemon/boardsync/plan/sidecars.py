"""Sidecars: small files beside pictures that tell what is known of them. Names, and whose they are.

A sidecar of ours holds a checksum of itself. One that somebody has edited since does not fit it
any more, and is then as much theirs as one that they wrote: never replaced, never moved.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Final

NO_CHECKSUM: Final = "0" * 64
"""Stands in the text where the checksum is to be."""
LONGEST: Final = 16 * 1024 * 1024

_CHECKSUM: Final = re.compile(
    rb'(?:"checksum": "|<boardsync:checksum>)([0-9a-f]{64})(?:"|</boardsync:checksum>)'
)


class Kind(StrEnum):
    """What a sidecar is written as. The value is its extension, too."""

    JSON = "json"
    XMP = "xmp"


def sidecar_of(path: bytes, kind: Kind) -> bytes:
    """Return the path of a picture's sidecar: `a.png.json`, so that `a.jpg` has another one."""
    return path + b"." + kind.value.encode()


def signed(text: str) -> bytes:
    """Return a sidecar's bytes, its checksum put in."""
    content = text.encode("utf-8", "replace")
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(NO_CHECKSUM.encode(), digest.encode(), 1)


def is_ours(content: bytes) -> bool:
    """Tell whether bytes are a sidecar of ours that nobody has touched."""
    found = _CHECKSUM.search(content)
    if found is None:
        return False
    plain = content[: found.start(1)] + NO_CHECKSUM.encode() + content[found.end(1) :]
    return hashlib.sha256(plain).hexdigest().encode() == found[1]
