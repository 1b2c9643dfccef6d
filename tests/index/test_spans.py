"""An unchanged span is one row to compare, and nothing that changes is ever missed by it."""

from __future__ import annotations

import os
import random
from dataclasses import astuple
from itertools import pairwise
from pathlib import Path

import pytest

from boardsync.index import follow, spans
from boardsync.index.database import Index
from boardsync.index.spans import Span
from boardsync.local.ignore import Rules
from boardsync.local.report import ScanReport
from boardsync.local.runs import runs
from boardsync.local.scan import scan
from index.index_kit import Indexed


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The names in each span whose rows are looked at, of spans of two to four files."""
    monkeypatch.setattr(spans, "SPAN", 2)
    names: list[list[str]] = []
    compare = follow._compare

    def noting(index: Index, folder: int, span: Span, *more: object) -> object:
        names.append([os.fsdecode(path) for path, *_ in span.seen])
        return compare(index, folder, span, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(follow, "_compare", noting)
    return names


@pytest.fixture
def indexed(tmp_path: Path) -> Indexed:
    return Indexed(tmp_path)


def rows(indexed: Indexed) -> list[tuple[object, ...]]:
    asked = "SELECT path, size, mtime_ns, ctime_ns, inode FROM file ORDER BY path"
    return indexed.using(lambda index: index.ask(asked))


def there(indexed: Indexed) -> list[tuple[object, ...]]:
    found = scan(os.fsencode(indexed.folder), Rules(pull_into=None), ScanReport())
    return [(path, *astuple(stat)) for path, stat in found]


def test_where_nothing_changed_no_file_is_compared(
    indexed: Indexed, compared: list[list[str]]
) -> None:
    for name in ("a/1.png", "a/2.png", "a-3.png", "b/4.png", "c.png", "d.png"):
        indexed.write(name, b"")
    indexed.refresh()
    compared.clear()
    assert indexed.refresh().looked.files == 6
    assert compared == []
    indexed.write("b/5.png", b"")
    indexed.refresh()
    assert compared == [["a/2.png", "b/4.png", "b/5.png"]]


def test_a_walk_in_runs_finds_what_a_scan_finds(
    indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boardsync.local.runs._RUN", 2)
    for name in ("a/1.png", "a/2.png", "a/b/3.png", "a/b/4.png", "a/b.png", "a0.png", "z.txt"):
        indexed.write(name, b"")
    (indexed.folder / "a" / "empty").mkdir()
    (indexed.folder / "link.png").symlink_to("a0.png")
    report, other = ScanReport(), ScanReport()
    found = [one for run in runs(os.fsencode(indexed.folder), Rules(), report) for one in run]
    assert found == there(indexed)
    list(scan(os.fsencode(indexed.folder), Rules(), other))
    assert report == other


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_index_knows_exactly_what_is_there(
    indexed: Indexed, compared: list[list[str]], seed: int
) -> None:
    chance = random.Random(seed)
    for number in range(25):
        for _ in range(chance.choice((0, 1, 1, 8))):
            path = indexed.folder / chance.choice("abc") / f"{chance.randrange(12)}.png"
            if path.exists() and chance.random() < 0.6:
                path.unlink()
            elif path.exists() and chance.random() < 0.5:
                path.rename(path.with_name(f"{chance.randrange(12)}.png"))
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(bytes(chance.randrange(3)))
        if chance.random() < 0.3:
            indexed.using(lambda index: _below(index, indexed, chance.choice((b"a", b"b"))))
        indexed.refresh()
        assert rows(indexed) == there(indexed), number
        tiles = indexed.using(
            lambda index: index.ask("SELECT first, until FROM span ORDER BY first")
        )
        assert all(one[1] is not None and one[1] <= two[0] for one, two in pairwise(tiles))


def _below(index: Index, indexed: Indexed, below: bytes) -> None:
    """Look at one directory alone, as the daemon does."""
    found = scan(os.fsencode(indexed.folder), Rules(pull_into=None), ScanReport())
    run = [(path, *astuple(stat)) for path, stat in found if path.startswith(below + b"/")]
    follow.look(index, follow.enter(index, indexed.place), [run], below=below)


def test_the_rows_of_a_span_cannot_change_behind_its_back(indexed: Indexed) -> None:
    for name in ("a.png", "b.png"):
        indexed.write(name, b"")
    indexed.refresh()
    for statement in (
        "DELETE FROM file WHERE path = x'612e706e67'",
        "UPDATE file SET size = 5 WHERE path = x'612e706e67'",
        "UPDATE file SET mtime_ns = 5 WHERE path = x'612e706e67'",
        "UPDATE file SET ctime_ns = 5 WHERE path = x'612e706e67'",
        "UPDATE file SET inode = 5 WHERE path = x'612e706e67'",
    ):
        indexed.using(lambda index, told=statement: index.tell(told))
        assert rows(indexed) != there(indexed)
        indexed.refresh()
        assert rows(indexed) == there(indexed)
