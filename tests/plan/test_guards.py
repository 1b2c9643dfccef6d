"""Guards: how many removals wait for consent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.plan.guards import Guard, why_held
from plan.planner_cases import thorough

GUARD = Guard()
_groups = st.lists(st.sampled_from("abc"), max_size=40)
_totals = st.dictionaries(st.sampled_from("abc"), st.integers(0, 200), min_size=3)


@pytest.mark.parametrize("percent", [10, 50, 90, 99, 100])
def test_a_tenth_and_more_of_a_mirror_is_held(percent: int) -> None:
    assert why_held(GUARD, ["a"] * percent, {"a": 100}, removed=0)


def test_a_few_removals_go_through() -> None:
    assert why_held(GUARD, ["a"] * 9, {"a": 100}, removed=0) is None
    assert why_held(GUARD, ["a"] * 10, {"a": 101}, removed=0) is None


def test_a_thousand_are_held_however_many_there_are() -> None:
    assert why_held(GUARD, ["a"] * 999, {"a": 1_000_000}, removed=0) is None
    assert why_held(GUARD, ["a"] * 1000, {"a": 1_000_000}, removed=0)


def test_removals_of_the_last_day_count_too() -> None:
    assert why_held(GUARD, ["a"], {"a": 91}, removed=8) is None
    assert why_held(GUARD, ["a"], {"a": 91}, removed=9)
    assert why_held(GUARD, ["a"], {"a": 1_000_000}, removed=999)


def test_a_whole_board_is_held_however_small() -> None:
    assert why_held(GUARD, ["a", "a"], {"a": 2, "b": 1000}, removed=0)
    assert why_held(GUARD, ["a"], {"a": 1, "b": 1000}, removed=0) is None


def test_nothing_planned_is_never_held_and_a_guard_can_be_switched_off() -> None:
    assert why_held(GUARD, [], {"a": 1}, removed=10_000) is None
    assert why_held(Guard(enabled=False), ["a"] * 5000, {"a": 5000}, removed=0) is None


@given(_groups, _groups, _totals, st.integers(0, 50))
@thorough(5)
def test_more_removals_are_never_held_less(
    groups: list[str], further: list[str], totals: dict[str, int], removed: int
) -> None:
    if why_held(GUARD, groups, totals, removed):
        assert why_held(GUARD, groups + further, totals, removed)
