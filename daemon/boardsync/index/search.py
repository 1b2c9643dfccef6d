"""Finds pictures in the index: conditions become a statement, and what they hold is bound."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from boardsync.errors import QueryRefused
from boardsync.index.database import Index
from boardsync.index.paths import IN_PATH, files_with, pattern
from boardsync.index.query import Condition, InPath, Seeds, Size, Term, Words
from boardsync.index.records import Hit, Standing, seed_key, seed_of
from boardsync.index.schema import TEXTS

FEW: Final = 2000
"""Pictures up to which all that a word or a part of a path leads to are looked up and sorted. Of
more the newest pictures are gone through until enough fulfil everything; and of more the newest
are put in order of relevance."""
_PAGE: Final = 500
"""Values bound to one statement."""


class Order(StrEnum):
    """What comes first.

    RELEVANCE: by how much of what is told the words make up, of the newest `FEW` pictures.
    """

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
    """A statement in the making.

    match: what FTS5 is asked for. few: all files that fulfil a condition, where they are few.
    """

    match: list[str] = field(default_factory=list)
    few: set[int] | None = None
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
            _add_term(statement, term, standing, index)
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


_MIRROR: Final = "folder IN (SELECT id FROM folder WHERE mirror = ? COLLATE NOCASE)"


def _add_term(
    statement: _Statement, term: Term, standing: Iterable[Standing], index: Index
) -> None:
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
        _add_path(statement, one.pieces, index, wanted=term.wanted)
    else:
        _require_mirror(one.name, standing, term.place)
        statement.add(_MIRROR, one.name, wanted=term.wanted)


def _match(words: Words) -> str:
    """Say it as FTS5 does: what stands in quotation marks is text, whatever it holds."""
    text = words.text.replace('"', '""')
    star = " *" if words.prefix else ""
    return f'{{{" ".join(words.columns)}}} : "{text}"{star}'


def _add_path(
    statement: _Statement, pieces: Sequence[str], index: Index, *, wanted: bool
) -> None:  # fmt: skip
    if wanted:
        files = files_with(index, pieces, FEW)
        if len(files) <= FEW:
            statement.few = set(files) if statement.few is None else statement.few & set(files)
            return
    statement.add(IN_PATH, pattern(pieces), wanted=wanted)


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
    if not match or wanted.order is not Order.RELEVANCE:
        return [number for number, _ in _newest(index, statement, match, wanted.limit + 1)]
    found = _newest(index, statement, match, max(wanted.limit + 1, FEW))
    ranks = _ranks(index, match, {telling for _, telling in found})
    found.sort(key=lambda one: ranks.get(one[1], 0.0))
    return [number for number, _ in found[: wanted.limit + 1]]


def _newest(
    index: Index, statement: _Statement, match: str, most: int
) -> list[tuple[int, int]]:  # fmt: skip
    """Return the numbers of the newest files, and of what they tell."""
    where, values = list(statement.where), list(statement.values)
    if statement.unwanted:
        unwanted = " OR ".join(f"({one})" for one in statement.unwanted)
        where.append("telling NOT IN (SELECT rowid FROM word WHERE word MATCH ?)")
        values.append(unwanted)
    source = "file"
    if statement.few is not None:
        source = "file NOT INDEXED"
        where.append(f"id IN ({', '.join(map(str, statement.few))})")
    if match and statement.few is None and _are_few(index, match):
        source = "word CROSS JOIN file ON telling = word.rowid AND telling != 0"
        where.insert(0, "word MATCH ?")
        values.insert(0, match)
    elif match:
        source = "file INDEXED BY file_newest" if statement.few is None else source
        where.insert(0, "telling IN (SELECT rowid FROM word WHERE word MATCH ?)")
        values.insert(0, match)
    rows = index.ask(
        f"SELECT file.id, telling FROM {source} WHERE {' AND '.join(where) or '1'}"
        " ORDER BY mtime_ns DESC, file.id DESC LIMIT ?",
        (*values, most),
    )
    return [(number, telling) for number, telling in rows]


def _are_few(index: Index, match: str) -> bool:
    [(count,)] = index.ask(
        "SELECT count(*) FROM (SELECT 1 FROM word CROSS JOIN file"
        " ON telling = word.rowid AND telling != 0 WHERE word MATCH ? LIMIT ?)",
        (match, FEW + 1),
    )
    return bool(count <= FEW)


def _ranks(index: Index, match: str, tellings: set[int]) -> dict[int, float]:
    """Return how well texts fulfil a match: the lowest best.

    The plus keeps SQLite from asking anew for each of them, and counting all others each time.
    """
    if not tellings:
        return {}
    numbers = ", ".join(map(str, tellings))
    rows = index.ask(
        f"SELECT rowid, rank FROM word WHERE word MATCH ? AND rowid BETWEEN ? AND ?"
        f" AND +rowid IN ({numbers})",
        (match, min(tellings), max(tellings)),
    )
    return dict(rows)


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
