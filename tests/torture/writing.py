"""How other programs write pictures, and what can be seen below a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

PAUSE_SECONDS = 0.2
"""How long a slow writer rests in the middle: longer than a file has to be quiet here."""


def write(target: Path, content: bytes, *, slowly: bool) -> None:
    """Write a file: at its place, with a pause in the middle, or elsewhere and renamed in."""
    if not slowly:
        arriving = target.with_name(f".arriving-{target.name}")
        arriving.write_bytes(content)
        arriving.rename(target)
        return
    half = len(content) // 2
    with target.open("wb") as stream:
        stream.write(content[:half])
        stream.flush()
        time.sleep(PAUSE_SECONDS)
        stream.write(content[half:])


def visible(base: Path) -> Iterator[Path]:
    """Walk the files below a folder that are not hidden, in order."""
    for folder, below, names in os.walk(base):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))
