"""Programs that write pictures slowly, each in another way, with a rest between their steps.

Each ends with its last close, or with the rename that comes after it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from boardsync.formats import BMP, GIF, JPEG, PNG, TIFF, WEBP, Format
from picture_samples import sample

Steps = Iterator[None]
Writer = Callable[[Path, bytes, random.Random], Steps]
"""Writes a picture at a path; each step leaves the file as a rest finds it."""

FORMATS: dict[str, Format] = {
    ".png": PNG, ".jpg": JPEG, ".webp": WEBP, ".gif": GIF, ".bmp": BMP, ".tiff": TIFF,
}  # fmt: skip


def drawn(extension: str, seed: int) -> bytes:
    """Return a picture of some size: the cuts fall anywhere in it."""
    return sample(FORMATS[extension], "RGB", (60 + seed % 7, 40), seed=seed)


def pausing(path: Path, content: bytes, chance: random.Random) -> Steps:
    """From front to back, with rests."""
    cuts = sorted(chance.sample(range(1, len(content)), 2))
    with path.open("wb", buffering=0) as stream:
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            stream.write(content[start:end])
            yield


def closing_in_between(path: Path, content: bytes, chance: random.Random) -> Steps:
    """Append a piece, close the file, rest, and open it again."""
    cut = chance.randrange(1, len(content))
    path.write_bytes(content[:cut])
    yield
    with path.open("ab") as stream:
        stream.write(content[cut:])


def rewriting(path: Path, content: bytes, chance: random.Random) -> Steps:
    """Write something else first, truncate it, and write again."""
    path.write_bytes(content[: len(content) // 3])
    yield
    with path.open("r+b", buffering=0) as stream:
        stream.truncate(0)
        yield
        cut = chance.randrange(1, len(content))
        stream.write(content[:cut])
        yield
        stream.write(content[cut:])


def renaming_in(path: Path, content: bytes, chance: random.Random) -> Steps:
    """Write under the name of a temporary file, and rename it when it is done."""
    temporary = path.with_name(chance.choice([f".{path.name}", f"{path.name}.part"]))
    for _ in pausing(temporary, content, chance):
        yield
    temporary.rename(path)


def reserving(path: Path, content: bytes, chance: random.Random) -> Steps:
    """Reserve the room of the whole file, and fill it from the front."""
    cut = chance.randrange(1, len(content) - 600)
    with path.open("wb", buffering=0) as stream:
        os.posix_fallocate(stream.fileno(), 0, len(content))
        yield
        stream.write(content[:cut])
        yield
        stream.write(content[cut:])


def sharing(path: Path, content: bytes, chance: random.Random) -> Steps:
    """Two write a part of one file each, as those do who download in parts: the end comes first."""
    first, second = sorted(chance.sample(range(1, len(content)), 2))
    with path.open("wb", buffering=0) as front:
        front.write(content[:first])
        with path.open("r+b", buffering=0) as back:
            yield
            back.seek(second)
            back.write(content[second:])
        yield
        front.write(content[first:second])
        yield


def overlapping(path: Path, content: bytes, chance: random.Random) -> Steps:
    """Two write the same: the second takes away what the first wrote, the first goes on behind."""
    cut = chance.randrange(1, len(content))
    with path.open("wb", buffering=0) as second:
        with path.open("wb", buffering=0) as first:
            first.write(content[:cut])
            yield
            second.truncate(0)
            second.write(content[: cut // 2])
            yield
            first.write(content[cut:])
        yield
        second.write(content[cut // 2 :])
        yield


WRITERS: dict[str, Writer] = {
    one.__name__: one
    for one in (
        pausing, closing_in_between, rewriting, renaming_in, reserving, sharing, overlapping,
    )
}  # fmt: skip
