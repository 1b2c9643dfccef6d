"""Grouping by consecutive seeds: examples, and what holds for every directory."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.picture.grouping import IN_NAME, Group, Picture, grouped, id_and_seed, in_order


def _names(*names: str) -> list[list[str]]:
    return [[one.name for one in group.pictures] for group in grouped(in_order(names))]


def test_consecutive_seeds_are_one_group_and_numbers_are_no_texts() -> None:
    assert _names("10-102.png", "9-101.webp", "8-100.PNG", "11-200.png", "12-201.png") == [
        ["8-100.PNG", "9-101.webp", "10-102.png"],
        ["11-200.png", "12-201.png"],
    ]


def test_a_gap_in_the_ids_splits_nothing() -> None:
    assert _names("1-7.png", "50-8.png", "900-9.png") == [["1-7.png", "50-8.png", "900-9.png"]]


@pytest.mark.parametrize("seed", ["5", "7", "0", "4"])
def test_the_same_seed_a_lower_one_and_a_leap_each_begin_a_group(seed: str) -> None:
    assert _names("1-5.png", f"2-{seed}.png") == [["1-5.png"], [f"2-{seed}.png"]]


def test_the_same_id_twice_is_ordered_by_name() -> None:
    assert _names("1-6.png", "01-5.png") == [["01-5.png", "1-6.png"]]
    assert _names("1-6.png", "01-7.png") == [["01-7.png"], ["1-6.png"]]


def test_pictures_without_id_come_last_and_are_grouped_by_their_seeds() -> None:
    [first, second] = grouped([
        Picture("7-41.png", 7, 41, IN_NAME),
        Picture("a.png", None, 42, "PNG tEXt parameters: Seed"),
        Picture("b.png", None, 40, "PNG tEXt parameters: Seed"),
    ])  # fmt: skip
    assert (first.id, first.first_seed, first.last_seed, len(first.pictures)) == (7, 41, 42, 2)
    assert (second.id, second.first_seed, second.number) == (None, 40, 2)
    assert [one.name for one in in_order(["b.png", "a.png", "9-1.png"])] == [
        "9-1.png", "a.png", "b.png",
    ]  # fmt: skip


def test_a_picture_without_a_seed_stands_alone_where_it_stands() -> None:
    told = [
        Picture("a.png", None, 1),
        Picture("b.png"),
        Picture("c.png"),
        Picture("d.png", None, 2),
    ]
    found = list(grouped(told, "sub"))
    assert [[one.name for one in group.pictures] for group in found] == [
        ["a.png"], ["b.png"], ["c.png"], ["d.png"],
    ]  # fmt: skip
    assert (found[1].id, found[1].first_seed, found[1].last_seed) == (None, None, None)
    assert [(group.directory, group.number) for group in found] == [
        ("sub", 1), ("sub", 2), ("sub", 3), ("sub", 4),
    ]  # fmt: skip


def test_nothing_gives_no_groups() -> None:
    assert list(grouped([])) == []


@pytest.mark.parametrize("name", ["1-2.txt", "1-2", ".png", "-1-2.png", "1-2-3.png", "1-.png"])
def test_other_names_tell_neither_id_nor_seed(name: str) -> None:
    assert id_and_seed(name) == (None, None)
    assert in_order([name]) == [Picture(name)]


def test_groups_come_while_their_pictures_do() -> None:
    """A folder's generation data is read on the way: nothing waits for the last picture."""
    taken: list[str] = []

    def pictures() -> Iterator[Picture]:
        for number in range(0, 100, 2):
            taken.append(str(number))
            yield Picture(f"{number}.png", number, number)

    first = next(grouped(pictures()))
    assert (first.first_seed, len(taken)) == (0, 2)


_SEEDS = st.none() | st.integers(0, 6) | st.integers(0, 10**30)
_PICTURES = st.lists(
    st.tuples(st.none() | st.integers(0, 9), _SEEDS, st.text(min_size=1, max_size=3)),
    max_size=40,
)
_NAMES = st.lists(
    st.one_of(
        st.text(min_size=1, max_size=6),
        st.builds("{}-{}.{}".format, st.integers(0, 20), st.integers(0, 6), st.just("png")),
        st.builds("0{}-{}.JPG".format, st.integers(0, 20), st.integers(0, 6)),
    ),
    unique=True,
)  # fmt: skip


@given(_PICTURES)
def test_every_picture_is_in_one_group_in_the_order_it_came(
    told: list[tuple[int | None, int | None, str]],
) -> None:
    pictures = [Picture(name, number, seed) for number, seed, name in told]
    found = list(grouped(pictures))
    assert [one for group in found for one in group.pictures] == pictures
    assert [group.number for group in found] == list(range(1, len(found) + 1))


@given(_PICTURES)
def test_seeds_follow_one_another_in_a_group_and_never_across_two(
    told: list[tuple[int | None, int | None, str]],
) -> None:
    found = list(grouped(Picture(name, number, seed) for number, seed, name in told))
    for group in found:
        seeds = [one.seed for one in group.pictures]
        assert seeds in ([None], list(range(seeds[0] or 0, (seeds[0] or 0) + len(seeds))))
    for before, after in pairwise(found):
        assert before.last_seed is None or after.first_seed != before.last_seed + 1


@given(_NAMES, st.integers(0, 2**32))
def test_the_order_is_that_of_ids_then_names_and_no_matter_how_names_came(
    names: list[str], seed: int
) -> None:
    shuffled = names.copy()
    random.Random(seed).shuffle(shuffled)
    ordered = in_order(names)
    assert in_order(shuffled) == ordered
    assert sorted(one.name for one in ordered) == sorted(names)
    for one, after in pairwise(ordered):
        if one.id is None or after.id is None:
            assert one.id is not None or (after.id is None and one.name < after.name)
        else:
            assert (one.id, one.name) < (after.id, after.name)


@given(st.lists(st.integers(1, 5), max_size=10), st.integers(0, 2**64))
def test_runs_that_were_generated_are_found_again(lengths: list[int], start: int) -> None:
    names, expected, number, seed = [], [], 0, start
    for length in lengths:
        run = [f"{number + step}-{seed + step}.png" for step in range(length)]
        names += run
        expected.append(run)
        number, seed = number + length, seed + length + 1
    assert _names(*reversed(names)) == expected


def test_a_group_is_told_by_its_first_and_last_picture() -> None:
    [group] = grouped(in_order(["3-9.png", "2-8.png"]))
    assert group == Group(
        "", 1, (Picture("2-8.png", 2, 8, IN_NAME), Picture("3-9.png", 3, 9, IN_NAME))
    )
    assert (group.id, group.first_seed, group.last_seed) == (2, 8, 9)


def test_a_hundred_thousand_names_take_little_memory() -> None:
    names = [f"{number}-{number * 9 // 8}.png" for number in range(100_000)]
    tracemalloc.start()
    try:
        count = sum(1 for _ in grouped(in_order(names)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 12_500
    assert peak < 40 << 20
