"""A server that lost its memory is told from a person who deleted a board."""

from __future__ import annotations

import pytest

from boardsync.plan.forgotten import AskedBoard, has_forgotten

GONE = AskedBoard(missing=True, asked=10, known=0)
SAME = AskedBoard(missing=False, asked=10, known=10)
OLDER = AskedBoard(missing=False, asked=10, known=5)


@pytest.mark.parametrize(
    ("boards", "forgotten"),
    [
        ([], False),
        ([SAME, OLDER], False),
        ([GONE], True),
        ([GONE, GONE], True),
        ([GONE, SAME], False),
        ([GONE, GONE, SAME], False),
        ([GONE, OLDER], False),
        ([GONE, GONE, OLDER], True),
        ([AskedBoard(missing=True, asked=10, known=1)], False),
        ([GONE, AskedBoard(missing=True, asked=10, known=10)], False),
    ],
)
def test_all_boards_with_all_items_or_several_and_newer_items_of_others(
    boards: list[AskedBoard], forgotten: bool
) -> None:
    assert has_forgotten(boards) is forgotten
