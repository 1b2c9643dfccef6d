"""When long jobs were last done, and what that lets go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from boardsync.model import Action, ActionKind
from boardsync.state import jobs, transfers
from state.state_kit import Small, small


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    with small(tmp_path / "state.db") as made:
        yield made


def test_only_what_was_done_has_a_time_and_the_last_one_counts(here: Small) -> None:
    assert here.ask(jobs.last_done) == {}
    here.do(jobs.note_done, "back_up", 5)
    here.do(jobs.note_done, "rescan", 6)
    here.do(jobs.note_done, "back_up", 7)
    assert here.ask(jobs.last_done) == {"back_up": 7, "rescan": 6}


def test_only_what_would_wait_for_too_long_is_hurried(here: Small) -> None:
    for item, moment in (("near", 1_000), ("far", 1_001)):
        action = Action(ActionKind.DOWNLOAD, "m", "new", item_id=item)
        here.do(transfers.plan_transfers, here.mirror, [(here.board.id, action)], 1, None)
        [made] = here.ask(transfers.of_item, here.board.id, item)
        here.do(transfers.change, made.id, 1, not_before_ms=moment)

    here.do(transfers.hurry, [here.mirror], 1_000)

    waits = {one.item_id: one.not_before_ms for one in here.ask(transfers.waiting, [here.mirror])}
    assert waits == {"near": 1_000, "far": 0}
