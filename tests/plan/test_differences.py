"""The merge of what is known with what is there: it finds what a dictionary would find."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.model import FileStat
from boardsync.plan.differences import Change, Difference, Known, compare, differences
from boardsync.plan.settling import CLOCK_GRANULARITY_NS

NOW = 100 * CLOCK_GRANULARITY_NS
OLD = FileStat(5, NOW // 2, NOW // 2, 7)
FRESH = FileStat(5, NOW - 1, NOW - 1, 7)

_paths = st.lists(st.binary(min_size=1, max_size=3).filter(lambda p: b"\0" not in p), max_size=12)
_moments = st.sampled_from([0, NOW // 2, NOW - 1, NOW, NOW + 1, 2 * NOW])
_stats = st.builds(FileStat, st.integers(0, 2), _moments, _moments, st.integers(0, 1))
Found = dict[bytes, FileStat]
Seen = dict[bytes, tuple[FileStat, int | None]]


@st.composite
def _trees(draw: st.DrawFn) -> tuple[Found, Seen]:
    """A tree and what is known of it: some files are alike, some changed, new or gone."""
    stats = st.sampled_from([draw(_stats), draw(_stats)])
    found = {path: draw(stats) for path in draw(_paths)}
    names = set(draw(_paths)) | set(draw(st.lists(st.sampled_from([*found, b"x"]))))
    return found, {path: (draw(stats), draw(st.none() | _moments)) for path in names}


def known_of(path: bytes, stat: FileStat, hashed_ns: int | None) -> Known:
    return (path, stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode, hashed_ns)


def merged(found: Found, seen: Seen) -> list[Difference]:
    left = iter(sorted(found.items()))
    right = (known_of(path, *seen[path]) for path in sorted(seen))
    return list(differences(left, right, NOW))


def naive(found: Found, seen: Seen) -> dict[bytes, tuple[Change, FileStat | None]]:
    """Say the same from two dictionaries, in the words of the requirement."""
    told: dict[bytes, tuple[Change, FileStat | None]] = {}
    for path in found.keys() | seen.keys():
        stat = found.get(path)
        if stat is None:
            told[path] = (Change.GONE, None)
        elif path not in seen or seen[path][0] != stat:
            told[path] = (Change.SEEN, stat)
        else:
            touched, hashed = max(stat.mtime_ns, stat.ctime_ns), seen[path][1]
            blurred = hashed is not None and hashed < touched + CLOCK_GRANULARITY_NS
            if blurred and touched + CLOCK_GRANULARITY_NS <= NOW:
                told[path] = (Change.DOUBTED, stat)
    return told


@given(_trees())
def test_the_merge_finds_what_a_dictionary_finds_in_byte_order(trees: tuple[Found, Seen]) -> None:
    result = merged(*trees)
    assert {one.path: (one.change, one.stat) for one in result} == naive(*trees)
    paths = [one.path for one in result]
    assert paths == sorted(paths)
    assert len(paths) == len(set(paths))


@given(_trees())
def test_a_tree_that_is_known_as_it_is_has_no_differences(trees: tuple[Found, Seen]) -> None:
    found, _ = trees
    assert merged(found, {path: (stat, None) for path, stat in found.items()}) == []


@given(_trees())
def test_what_the_merge_tells_turns_the_known_into_the_found(trees: tuple[Found, Seen]) -> None:
    found, seen = trees
    told = {path: stat for path, (stat, _) in seen.items()}
    for one in merged(found, seen):
        if one.stat is None:
            del told[one.path]
        else:
            told[one.path] = one.stat
    assert told == found


def test_byte_order_is_not_the_order_of_folders() -> None:
    # "a-b" sorts before "a/": a walk that finishes folder "a" first breaks the merge's contract.
    found: Found = dict.fromkeys([b"a-b", b"a/x", b"a0", b"B", b"\xff"], OLD)
    seen: Seen = dict.fromkeys(found, (OLD, None))
    assert [one.path for one in merged(found, {})] == [b"B", b"a-b", b"a/x", b"a0", b"\xff"]
    assert merged(found, seen) == []


def test_the_streams_are_read_as_far_as_they_are_needed_and_no_further() -> None:
    read: list[bytes] = []

    def reading(paths: list[bytes]):
        for path in paths:
            read.append(path)
            yield path, OLD

    stream = differences(reading([b"a", b"b", b"c"]), iter(()), NOW)
    assert next(stream).path == b"a"
    assert read == [b"a"]


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode"])
def test_any_field_of_the_stat_shows_a_change(field: str) -> None:
    other = FileStat(**{name: getattr(OLD, name) + (name == field) for name in OLD.__slots__})
    assert compare(other, known_of(b"a", OLD, NOW), NOW) is Change.SEEN


def test_a_file_hashed_too_soon_is_doubted_once_the_clock_has_moved_on() -> None:
    assert compare(FRESH, known_of(b"a", FRESH, NOW), NOW) is None
    later = NOW + CLOCK_GRANULARITY_NS
    assert compare(FRESH, known_of(b"a", FRESH, NOW), later) is Change.DOUBTED
    assert compare(FRESH, known_of(b"a", FRESH, later), later) is None


def test_a_file_that_is_not_hashed_yet_is_not_doubted() -> None:
    assert compare(OLD, known_of(b"a", OLD, None), NOW) is None


def test_times_in_the_future_do_not_have_a_file_hashed_for_ever() -> None:
    future = FileStat(5, 2 * NOW, NOW // 2, 7)
    assert compare(future, known_of(b"a", future, NOW), NOW + CLOCK_GRANULARITY_NS) is None


def test_real_files_can_be_told_apart_by_their_stat(tmp_path: Path) -> None:
    def stat() -> FileStat:
        told = os.lstat(tmp_path / "a")
        return FileStat(told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino)

    (tmp_path / "a").write_bytes(b"one")
    before = stat()
    (tmp_path / "b").write_bytes(b"two")
    os.utime(tmp_path / "b", ns=(before.mtime_ns, before.mtime_ns))
    os.replace(tmp_path / "b", tmp_path / "a")
    assert compare(stat(), known_of(b"a", before, NOW), NOW) is Change.SEEN
