"""Queries for numbers: right, and answered by indexes where they are asked again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from boardsync.model import Action, ActionKind, FileStat, TransferState
from boardsync.plan.layout import Layout
from boardsync.state import holds, measure, observations, places, transfers
from boardsync.state.database import State
from boardsync.state.measure import Pictures, Queue, Standing
from state.state_kit import KEY, A, opened


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with opened(tmp_path / "state.db") as made:
        yield made


def begin(c: Connection) -> tuple[int, int]:
    number = places.mirror_id(c, KEY)
    return number, places.bind_board(c, number, b"", "id", "Board").id


def plan(c: Connection, mirror: int, board: int, path: bytes, kind: ActionKind, at: int) -> int:
    action = Action(kind, KEY, "because", path=path, token=f"t-{path!r}", item_id=f"i-{path!r}")
    transfers.plan_transfers(c, mirror, [(board, action)], at, 1)
    return transfers.of_path(c, mirror, path)[0].id


def test_a_queue_is_counted_by_kind_with_its_oldest_and_those_that_fail(state: State) -> None:
    def write(c: Connection) -> int:
        mirror, board = begin(c)
        plan(c, mirror, board, b"a", ActionKind.UPLOAD, 300)
        failing = plan(c, mirror, board, b"b", ActionKind.UPLOAD, 200)
        refused = plan(c, mirror, board, b"c", ActionKind.DOWNLOAD, 100)
        plan(c, mirror, board, b"d", ActionKind.TRASH_ITEM, 400)
        transfers.change(c, failing, 500, error="no")
        transfers.change(c, refused, 500, state=TransferState.REFUSED.value, error="never")
        return mirror

    mirror = state.write_now(write)
    with state.read() as c:
        assert measure.queue(c, mirror) == Queue({"upload": 2, "trash-item": 1}, 1, 200, 0)
        assert measure.queue(c, mirror + 1) == Queue({}, 0, None, 0)


def test_outcomes_are_told_of_what_is_left(state: State) -> None:
    def write(c: Connection) -> list[int]:
        mirror, board = begin(c)
        made = [plan(c, mirror, board, name, ActionKind.UPLOAD, 1) for name in (b"a", b"b", b"c")]
        transfers.change(c, made[0], 2, error="no")
        transfers.change(c, made[1], 2, state=TransferState.REFUSED.value, error="never")
        done = plan(c, mirror, board, b"d", ActionKind.UPLOAD, 1)
        transfers.finish(c, done)
        return [*made, done]

    failed, refused, waiting, done = state.write_now(write)
    with state.read() as c:
        told = transfers.outcomes(c, [failed, refused, waiting, done])
    assert told == {failed: "failed", refused: "refused", waiting: "waiting"}


def test_both_sides_count_as_seen_when_the_later_of_them_was(state: State) -> None:
    mirror, board = state.write_now(begin)

    def seen() -> int | None:
        with state.read() as c:
            return measure.standing(c, mirror).seen_ms

    assert seen() is None
    state.write_now(lambda c: places.note_scan(c, mirror, 1000, "root", complete=True))
    assert seen() is None
    state.write_now(lambda c: places.note_listing(c, board, "digest", 700, 1.0))
    assert seen() == 700
    other = state.write_now(lambda c: places.bind_board(c, mirror, b"sub", "2", "Sub").id)
    assert seen() is None
    state.write_now(lambda c: places.note_listing(c, other, "digest", 1200, 1.0))
    assert seen() == 700
    state.write_now(lambda c: places.note_scan(c, mirror, 1300, "root", complete=False))
    assert seen() is None


def test_a_hold_that_grew_is_one_trip_and_its_removals_wait_once(state: State) -> None:
    def write(c: Connection) -> int:
        mirror, _ = begin(c)
        holds.keep(c, mirror, "item", [1, 2, 3], "many", 10)
        holds.keep(c, mirror, "item", [1, 2, 3, 4], "more", 20)
        return mirror

    mirror = state.write_now(write)
    with state.read() as c:
        assert measure.standing(c, mirror) == Standing(None, None, 1)
        assert measure.queue(c, mirror).held == 4
    state.write_now(lambda c: holds.keep(c, mirror, "item", [], "", 30))
    state.write_now(lambda c: holds.keep(c, mirror, "item", [9], "again", 40))
    with state.read() as c:
        assert measure.standing(c, mirror).trips == 2
        assert measure.queue(c, mirror).held == 1


def test_what_a_mirror_holds_is_counted_with_its_bytes(state: State) -> None:
    def write(c: Connection) -> int:
        mirror, _ = begin(c)
        for path, size in ((b"a", 10), (b"b", 20)):
            observations.put_file(c, mirror, path, FileStat(size, 1, 1, 1), A, 1)
        return mirror

    mirror = state.write_now(write)
    with state.read() as c:
        found = measure.contents(c, mirror, Layout())
        assert (found.files, found.items, found.file_bytes) == (2, 0, 30)
        assert measure.pictures(c, mirror, Layout()) == Pictures(synced=0, parted=0)
        assert measure.contents(c, mirror + 1, Layout()).file_bytes == 0


@pytest.mark.parametrize("query", [measure._TROUBLE, measure._SEEN, measure._QUEUE, measure._HELD])
def test_what_is_asked_each_time_never_goes_through_a_table(state: State, query: object) -> None:
    with state.read() as c:
        rows = c.execute(text(f"EXPLAIN QUERY PLAN {query}"), {"mirror": 1}).all()
    steps = [row[3] for row in rows]
    assert steps
    assert not [step for step in steps if step.startswith("SCAN") and "hold" not in step]
