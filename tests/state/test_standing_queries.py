"""What waits and for how long is found through indexes, however much else there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from boardsync.model import Action, ActionKind, FileStat
from boardsync.state import alarms, holds, observations, standing, transfers
from boardsync.state.alarms import AlarmRecord
from boardsync.state.standing import EXAMPLES, Refused
from state.state_kit import KEY, Small, small

MANY = 20_000


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    with small(tmp_path / "state.db") as made:
        yield made


def plan(here: Small, kind: ActionKind, count: int) -> None:
    """Plan transfers of a kind."""
    actions = [
        (here.board.id, Action(kind, KEY, "", path=b"%d" % n, digest="aa" * 32,
                               token=f"t{n}", item_id=f"i{n}"))
        for n in range(count)
    ]  # fmt: skip
    here.do(transfers.plan_transfers, here.mirror, actions, 1000, 1)


def change(here: Small, number: int, **values: Any) -> None:
    here.do(transfers.change, number, 1, **values)


def test_the_next_transfer_of_each_kind_is_the_oldest_that_may_go(here: Small) -> None:
    assert here.ask(standing.heads, here.mirror) == {}
    plan(here, ActionKind.UPLOAD, 3)
    plan(here, ActionKind.DOWNLOAD, 3)
    assert here.ask(standing.heads, here.mirror) == {
        "upload": (1, here.board.id), "download": (4, here.board.id),
    }  # fmt: skip
    change(here, 1, not_before_ms=99)
    here.do(transfers.finish, 4)
    assert here.ask(standing.heads, here.mirror) == {
        "upload": (2, here.board.id), "download": (5, here.board.id),
    }  # fmt: skip
    assert here.ask(standing.heads, here.mirror + 1) == {}


def test_failed_transfers_are_told_by_the_moment_of_their_first_attempt(here: Small) -> None:
    plan(here, ActionKind.UPLOAD, 4)
    change(here, 1, not_before_ms=9, error="late", error_class="ServerBusy", first_sent_ms=7000)
    change(here, 2, not_before_ms=99, error="early", error_class=None, first_sent_ms=5000)
    change(here, 3, not_before_ms=9)
    found = here.ask(standing.postponed, here.mirror)
    assert [(one.error, one.since_ms) for one in found] == [("early", 5000), ("late", 7000)]


def test_of_very_many_failures_some_are_told(here: Small) -> None:
    plan(here, ActionKind.UPLOAD, 2 * EXAMPLES)
    here.do(lambda c: c.execute(text("UPDATE transfer SET not_before_ms = id, error = 'no'")))
    assert len(here.ask(standing.postponed, here.mirror)) == EXAMPLES


def test_refused_files_are_counted_and_the_unreadable_ones_told_apart(here: Small) -> None:
    assert here.ask(standing.refused, here.mirror, "locked") == Refused()
    for path, reason, moment in ((b"a", "locked", 3), (b"b", "locked", 2), (b"c", "other", 1)):
        here.do(observations.see_files, here.mirror, [(path, FileStat(1, 1, 1, 1))], 1)
        here.do(observations.refuse_file, here.mirror, path, reason, moment * 10**6)
    found = here.ask(standing.refused, here.mirror, "locked")
    assert (found.count, found.unreadable, found.since_ms) == (3, 2, 2)
    assert found.path in (b"a", b"b")


def test_each_hold_is_counted_for_itself(here: Small) -> None:
    here.do(holds.keep, here.mirror, "item", [1, 2, 3], "many", 1)
    here.do(holds.keep, here.mirror, "file", [4], "one", 2)
    assert [(one.side, one.count) for one in here.ask(holds.open_holds, [here.mirror])] == [
        ("item", 3), ("file", 1),
    ]  # fmt: skip


class Plans:
    """Notes how SQLite carries out what is asked of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.steps: list[str] = []

    def execute(self, query: Any, values: Any) -> Any:
        compiled = query.compile(dialect=self._connection.dialect)
        explained = self._connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {compiled.string}",
            tuple(values[name] for name in compiled.positiontup),
        )
        self.steps += [row.detail for row in explained]
        return self._connection.execute(query, values)


@pytest.mark.parametrize("filled", [False, True])
def test_nothing_that_is_asked_often_walks_a_table(here: Small, filled: bool) -> None:
    if filled:
        plan(here, ActionKind.UPLOAD, MANY)
        found = [(b"%d" % n, FileStat(1, 1, 1, n)) for n in range(MANY)]
        here.do(observations.see_files, here.mirror, found, 1)
    with here.state.read() as connection:
        plans: Any = Plans(connection)
        standing.heads(plans, here.mirror)
        standing.postponed(plans, here.mirror)
        standing.unhashed_paths(plans, here.mirror, b"", 10)
    searches = [one for one in plans.steps if one.startswith(("SCAN", "SEARCH"))]
    assert len(searches) > 10
    for one in searches:
        inner = "subquery" in one
        assert inner or one.startswith("SEARCH"), one
        assert inner or "USING" in one, one
    assert not [one for one in plans.steps if "TEMP B-TREE" in one]


def test_what_is_kept_of_an_alarm(here: Small) -> None:
    here.do(alarms.keep, [AlarmRecord("b", "later", 2, None), AlarmRecord("a", "first", 1, 5)])
    here.do(alarms.keep, [AlarmRecord("a", "anew", 9, None)])
    assert here.ask(alarms.kept) == [
        AlarmRecord("a", "first", 1, 5), AlarmRecord("b", "later", 2, None),
    ]  # fmt: skip
    here.do(alarms.note_told, ["b", "nobody"], 7)
    here.do(alarms.forget, ["a"])
    assert here.ask(alarms.kept) == [AlarmRecord("b", "later", 2, 7)]
