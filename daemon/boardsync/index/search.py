"""Finds pictures in the index: conditions become a statement, and what they hold is bound."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from boardsync.errors import QueryRefused
from boardsync.index.database import Index
from boardsync.index.query import Condition, InPath, Seeds, Size, Term, Words
from boardsync.index.records import Hit, Standing, seed_key, seed_of
from boardsync.index.schema import TEXTS

_FEW: Final = 2000
"""Texts up to which their pictures are looked up and sorted. Of more the newest pictures are gone
through until enough have one of them."""
_PAGE: Final = 500
"""Values bound to one statement."""


class Order(StrEnum):
    """What comes first. RELEVANCE: by how much of what is told the words make up."""

    NEWEST = "newest"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to search for. below: only in this folder, absolute. mirror: only in that of this name.

    limit: so many at most.
    """

    terms: Sequence[Term] = ()
    below: bytes | None = None
    mirror: str | None = None
    order: Order = Order.NEWEST
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, whether there is more, and how the index stands with each folder."""

    hits: tuple[Hit, ...]
    more: bool
    standing: tuple[Standing, ...]


@dataclass(slots=True)
class _Statement:
    """A statement in the making. match: what FTS5 is asked for."""

    match: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any, wanted: bool = True) -> None:
        """Add a condition. What is not known fulfils none, and does not fulfil its opposite."""
        self.where.append(condition if wanted else f"NOT coalesce({condition}, 0)")
        self.values += values


def search(index: Index, wanted: Wanted) -> Answer:
    """Search. Raises QueryRefused for a mirror that is not in the index."""
    with index.reading():
        standing = _standing(index)
        statement = _Statement()
        for term in wanted.terms:
            _add_term(statement, term, standing)
        if wanted.mirror is not None:
            _require_mirror(wanted.mirror, standing, 0)
            statement.add(_MIRROR, wanted.mirror)
        if wanted.below is not None:
            _add_below(statement, wanted.below, index)
        _leave_out_doubles(statement, index)
        numbers = _numbers(index, statement, wanted)
        hits = _hits(index, numbers[: wanted.limit])
    return Answer(hits, len(numbers) > wanted.limit, standing)


def standing_of(index: Index) -> tuple[Standing, ...]:
    """Tell how the index stands with each folder, in the order of their paths."""
    with index.reading():
        return _standing(index)


def _standing(index: Index) -> tuple[Standing, ...]:
    rows = index.ask(
        "SELECT root, mirror, looked_ms,"
        " (SELECT count(*) FROM file WHERE folder = folder.id AND reader = 0)"
        " FROM folder ORDER BY root"
    )
    return tuple(Standing(*row) for row in rows)


_IN_PATH: Final = (
    "file.id IN (SELECT id FROM file INDEXED BY file_path"
    " WHERE CAST(path AS TEXT) LIKE CAST(? AS TEXT) ESCAPE '\\')"
)
"""Goes through the paths alone, which is quicker than through the files."""
_MIRROR: Final = "folder IN (SELECT id FROM folder WHERE mirror = ? COLLATE NOCASE)"


def _add_term(statement: _Statement, term: Term, standing: Iterable[Standing]) -> None:
    one: Condition = term.condition
    if isinstance(one, Words):
        (statement.match if term.wanted else statement.unwanted).append(_match(one))
    elif isinstance(one, Seeds):
        ends = {">=": one.lowest, "<=": one.highest}
        given = {sign: seed_key(end) for sign, end in ends.items() if end is not None}
        between = " AND ".join(f"seed {sign} ?" for sign in given)
        statement.add(f"({between})", *given.values(), wanted=term.wanted)
    elif isinstance(one, Size):
        statement.add("(width = ? AND height = ?)", one.width, one.height, wanted=term.wanted)
    elif isinstance(one, InPath):
        statement.add(_IN_PATH, _pattern(one.pieces), wanted=term.wanted)
    else:
        _require_mirror(one.name, standing, term.place)
        statement.add(_MIRROR, one.name, wanted=term.wanted)


def _match(words: Words) -> str:
    """Say it as FTS5 does: what stands in quotation marks is text, whatever it holds."""
    text = words.text.replace('"', '""')
    star = " *" if words.prefix else ""
    return f'{{{" ".join(words.columns)}}} : "{text}"{star}'


def _pattern(pieces: Sequence[str]) -> bytes:
    """Return the pieces as LIKE wants them, with anything around and between."""
    escaped = (
        piece.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for piece in pieces
    )
    return os.fsencode(f"%{'%'.join(escaped)}%")


def _require_mirror(name: str, standing: Iterable[Standing], place: int) -> None:
    names = [one.mirror for one in standing if one.mirror is not None]
    if name.lower() not in (each.lower() for each in names):
        there = ", ".join(sorted(names)) or "none"
        raise QueryRefused(
            f"the mirror {name!r} is not in the index; in it are: {there}", place=place
        )


def _add_below(statement: _Statement, below: bytes, index: Index) -> None:
    """Only what lies below a folder, which may hold others, or be a part of one."""
    conditions, values = ["0"], list[Any]()
    for number, root in index.ask("SELECT id, root FROM folder"):
        if root == below or root.startswith(_prefix(below)):
            conditions.append("folder = ?")
            values.append(number)
        elif below.startswith(_prefix(root)):
            first, end = _range(below[len(_prefix(root)) :])
            conditions.append("(folder = ? AND path >= ? AND path < ?)")
            values += (number, first, end)
    statement.add(f"({' OR '.join(conditions)})", *values)


def _leave_out_doubles(statement: _Statement, index: Index) -> None:
    """Of folders that lie in one another, let each picture be told by the innermost."""
    folders = index.ask("SELECT id, root FROM folder")
    for number, root in folders:
        for _, inner in folders:
            if inner != root and inner.startswith(_prefix(root)):
                first, end = _range(inner[len(_prefix(root)) :])
                statement.add(
                    "NOT (folder = ? AND path >= ? AND path < ?)", number, first, end
                )  # fmt: skip


def _prefix(root: bytes) -> bytes:
    return root if root.endswith(b"/") else root + b"/"


def _range(directory: bytes) -> tuple[bytes, bytes]:
    """Return between which paths those below a directory are."""
    return directory + b"/", directory + b"0"


def _numbers(index: Index, statement: _Statement, wanted: Wanted) -> list[int]:
    """Return the numbers of the files, one more than wanted if there is more."""
    match = " AND ".join(f"({one})" for one in statement.match)
    if statement.unwanted:
        unwanted = " OR ".join(f"({one})" for one in statement.unwanted)
        statement.where.append("telling NOT IN (SELECT rowid FROM word WHERE word MATCH ?)")
        statement.values.append(unwanted)
    where = " AND ".join(statement.where) or "1"
    values = (*statement.values, wanted.limit + 1)
    newest = "mtime_ns DESC, file.id DESC LIMIT ?"
    if not match:
        rows = index.ask(f"SELECT id FROM file WHERE {where} ORDER BY {newest}", values)
    elif wanted.order is Order.RELEVANCE or _are_few(index, match):
        best = "rank, " if wanted.order is Order.RELEVANCE else ""
        rows = index.ask(
            "SELECT file.id FROM word CROSS JOIN file ON telling = word.rowid AND telling != 0"
            f" WHERE word MATCH ? AND {where} ORDER BY {best}{newest}",
            (match, *values),
        )
    else:
        rows = index.ask(
            "SELECT id FROM file INDEXED BY file_newest"
            " WHERE telling IN (SELECT rowid FROM word WHERE word MATCH ?)"
            f" AND {where} ORDER BY {newest}",
            (match, *values),
        )
    return [number for (number,) in rows]


def _are_few(index: Index, match: str) -> bool:
    [(count,)] = index.ask(
        "SELECT count(*) FROM (SELECT 1 FROM word WHERE word MATCH ? LIMIT ?)", (match, _FEW + 1)
    )
    return bool(count <= _FEW)


def _hits(index: Index, numbers: Sequence[int]) -> tuple[Hit, ...]:
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
    texts = dict(zip(TEXTS, row[9:], strict=True))
    loras = texts.pop("loras")
    return Hit(
        path=os.path.join(root, path), mirror=mirror, bytes=size, mtime_ns=mtime_ns,
        seed=None if seed is None else seed_of(seed), width=width, height=height,
        trouble=trouble, loras=tuple(loras.split("\n")) if loras else (), **texts,
    )  # fmt: skip
