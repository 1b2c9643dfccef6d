"""Finds pictures by a part of their path: three characters in a row lead to a few of them.

What leads there ignores case and accents' ways of being written as FTS5 does; whether a path holds
what was asked for is then told by LIKE, for which a to z alone have two cases.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from boardsync.index.database import Index

IN_PATH: Final = "CAST(file.path AS TEXT) LIKE CAST(? AS TEXT) ESCAPE '\\'"
_LENGTH: Final = 3
"""Of what FTS5's tokenizer `trigram` keeps."""


def pattern(pieces: Sequence[str]) -> bytes:
    """Return the pieces as LIKE wants them, with anything around and between."""
    escaped = (
        piece.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for piece in pieces
    )
    return os.fsencode(f"%{'%'.join(escaped)}%")


def files_with(index: Index, pieces: Sequence[str], most: int) -> list[int]:
    """Return the numbers of files whose paths hold the pieces: all, or more than `most`.

    Pieces of one or two characters lead nowhere: all paths are gone through, but for as long only
    as there are not too many.
    """
    match = " AND ".join(f'"{part}"' for part in sorted(set(_parts(pieces))))
    if match:
        source = "part CROSS JOIN file ON file.id = part.rowid WHERE part MATCH ? AND"
    else:
        source = "file INDEXED BY file_path WHERE"
    values = (*([match] if match else []), pattern(pieces), most + 1)
    rows = index.ask(f"SELECT file.id FROM {source} {IN_PATH} LIMIT ?", values)
    return [number for (number,) in rows]


def _parts(pieces: Sequence[str]) -> Iterator[str]:
    """Yield what stands in any path that holds the pieces, three characters each."""
    for piece in pieces:
        for start in range(len(piece) - _LENGTH + 1):
            part, behind = piece[start : start + _LENGTH], piece[start + _LENGTH :][:1]
            # Bytes that are no text are read in other ways beside other bytes.
            if part.isprintable() and (not behind or behind.isprintable()):
                yield part.replace('"', '""')
