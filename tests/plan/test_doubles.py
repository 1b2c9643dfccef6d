"""Which of several items of one picture stays: the same one for every daemon, and never none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.plan.doubles import OLDER, SEVERAL, STARRED, WINDOW_MS, Copy, Doubles, judge
from plan.planner_cases import thorough

OLD = Copy("a", "1", created_ms=1000)
YOUNG = Copy("b", "1", created_ms=2000)
LINKED = replace(YOUNG, linked=True)

copies = st.lists(
    st.builds(
        Copy,
        item_id=st.sampled_from(["a", "b", "cc", "d"]), version=st.just("1"),
        created_ms=st.none() | st.sampled_from([0, 1000, WINDOW_MS + 500, 3 * WINDOW_MS]),
        linked=st.booleans(), starred=st.booleans(), settled=st.booleans(), whole=st.booleans(),
    ),
    unique_by=lambda one: one.item_id, max_size=4,
)  # fmt: skip


def ids(found: Doubles) -> tuple[str | None, list[str], list[str]]:
    kept = None if found.keep is None else found.keep.item_id
    return kept, [one.item_id for one in found.surplus], [one.item_id for one, _ in found.told]


def test_the_younger_one_goes_whichever_is_linked() -> None:
    older = (replace(OLD, linked=True), YOUNG)

    assert ids(judge(older, one_item=True)) == ("a", ["b"], [])
    assert ids(judge((OLD, LINKED), one_item=True)) == ("a", ["b"], [])


def test_of_one_moment_the_id_decides_and_the_order_of_asking_does_not() -> None:
    first, second = replace(LINKED, item_id="b", created_ms=1000), OLD

    assert ids(judge((first, second), one_item=True)) == ("a", ["b"], [])
    assert ids(judge((second, first), one_item=True)) == ("a", ["b"], [])


def test_a_numbered_name_goes_before_the_name_itself() -> None:
    pair = (Copy("a (2).png", "1", 1000), Copy("a.png", "1", 1000, linked=True))

    assert ids(judge(pair, one_item=True)) == ("a.png", ["a (2).png"], [])


@pytest.mark.parametrize(
    ("double", "reason"),
    [
        (replace(YOUNG, starred=True), STARRED),
        (replace(YOUNG, created_ms=1001 + WINDOW_MS), OLDER),
        (replace(YOUNG, created_ms=None), OLDER),
    ],
)
def test_what_may_be_a_persons_is_told_and_kept(double: Copy, reason: str) -> None:
    found = judge((replace(OLD, linked=True), double), one_item=True)

    assert (found.surplus, found.told) == ((), ((double, reason),))


def test_what_was_decided_before_and_what_nothing_is_linked_to_is_left_alone() -> None:
    settled = replace(YOUNG, settled=True)

    assert judge((replace(OLD, linked=True), settled), one_item=True) == Doubles()
    assert judge((OLD, YOUNG), one_item=True) == Doubles()


def test_one_that_is_not_whole_neither_stays_nor_goes() -> None:
    assert ids(judge((replace(OLD, whole=False), LINKED), one_item=True)) == ("b", [], [])


def test_where_each_path_has_an_item_of_its_own_it_is_only_told() -> None:
    found = judge((replace(OLD, linked=True), YOUNG), one_item=False)

    assert (found.keep, found.surplus, found.told) == (None, (), ((YOUNG, SEVERAL),))


def age(one: Copy) -> tuple[bool, int, int, str]:
    """Order as the items came; those that do not tell when come last."""
    return one.created_ms is None, one.created_ms or 0, len(one.item_id), one.item_id


@given(copies, st.booleans())
@thorough(2)
def test_what_goes_always_leaves_an_older_whole_one_on_the_board(
    found: list[Copy], one_item: bool
) -> None:
    judged = judge(found, one_item=one_item)

    for one in judged.surplus:
        assert judged.keep is not None
        assert judged.keep.whole
        assert judged.keep not in judged.surplus
        assert (one.whole, one.starred, one.settled) == (True, False, False)
        assert age(judged.keep) < age(one)


@given(copies, st.lists(st.booleans(), min_size=4, max_size=4))
@thorough(2)
def test_two_daemons_linked_to_different_ones_never_leave_none(
    found: list[Copy], theirs: list[bool]
) -> None:
    ours = judge(found, one_item=True)
    other = [
        replace(one, linked=linked) for one, linked in zip(found, theirs, strict=False)
    ]  # fmt: skip
    gone = {one.item_id for one in (*ours.surplus, *judge(other, one_item=True).surplus)}

    assert not found or gone != {one.item_id for one in found}
