"""What is known of pictures that were found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

from boardsync.index.database import Index
from boardsync.index.records import Hit, seed_of
from boardsync.index.schema import TEXTS

_PAGE: Final = 500
"""Values bound to one statement."""


def hits_of(index: Index, numbers: Sequence[int]) -> tuple[Hit, ...]:
    """Return what is known of files, in the order of their numbers here."""
    found: dict[int, Hit] = {}
    for start in range(0, len(numbers), _PAGE):
        page = tuple(numbers[start : start + _PAGE])
        rows = index.ask(
            "SELECT file.id, root, path, mirror, size, mtime_ns, seed, width, height, trouble,"
            f" {', '.join(f'telling.{name}' for name in TEXTS)} FROM file"
            " JOIN folder ON folder.id = file.folder LEFT JOIN telling ON telling.id = telling"
            f" WHERE file.id IN ({', '.join('?' * len(page))})",
            page,
        )
        found.update((number, _hit(rest)) for number, *rest in rows)
    return tuple(found[number] for number in numbers)


def _hit(row: Sequence[Any]) -> Hit:
    root, path, mirror, size, mtime_ns, seed, width, height, trouble = row[:9]
    prompt, negative, model, model_hash, loras, software, sampler, scheduler = row[9:]
    return Hit(
        os.path.join(root, path), mirror, size, mtime_ns, None if seed is None else seed_of(seed),
        width, height, prompt, negative, model, model_hash,
        tuple(loras.split("\n")) if loras else (),
        software, sampler, scheduler, trouble,
    )  # fmt: skip
