"""Renames: which file that appeared is which file that vanished."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from boardsync.plan.pairing import Appeared, Vanished, pair
from plan.planner_cases import thorough

A, B = "a" * 64, "b" * 64
_paths = st.sampled_from([b"a.png", b"b.png", b"s/a.png", b"s/b.png", b"t/a.png", b"t/c.png"])
_digests = st.sampled_from([A, B])
_inodes = st.none() | st.integers(1, 3)
vanished_files = st.lists(
    st.builds(Vanished, _paths, _digests, _inodes), unique_by=lambda one: one.path
)
appeared_files = st.lists(
    st.builds(Appeared, _paths, _digests, _inodes), unique_by=lambda one: one.path
)


@given(vanished_files, appeared_files)
@thorough(1)
def test_only_equal_pictures_are_paired_and_each_path_once(
    vanished: list[Vanished], appeared: list[Appeared]
) -> None:
    pairs = pair(vanished, appeared)
    digest_of = {one.path: one.digest for one in appeared}
    assert len(set(pairs.values())) == len(pairs)
    for gone in vanished:
        if gone.path in pairs:
            assert digest_of[pairs[gone.path]] == gone.digest


@given(vanished_files, appeared_files)
@thorough(1)
def test_as_many_as_possible_are_paired(vanished: list[Vanished], appeared: list[Appeared]) -> None:
    before = Counter(one.digest for one in vanished)
    after = Counter(one.digest for one in appeared)
    assert len(pair(vanished, appeared)) == sum((before & after).values())


@given(vanished_files, appeared_files, st.randoms(use_true_random=False))
@thorough(1)
def test_the_order_of_what_was_found_changes_nothing(
    vanished: list[Vanished], appeared: list[Appeared], random: object
) -> None:
    expected = pair(vanished, appeared)
    random.shuffle(vanished)  # type: ignore[attr-defined]
    random.shuffle(appeared)  # type: ignore[attr-defined]
    assert pair(vanished, appeared) == expected


def test_the_same_inode_decides_then_the_name_then_the_folder() -> None:
    gone = [Vanished(b"s/a.png", A, 7)]
    same_name, same_folder = Appeared(b"t/a.png", A, 8), Appeared(b"s/z.png", A, 9)
    same_inode, any_other = Appeared(b"x.png", A, 7), Appeared(b"b.png", A, 10)
    assert pair(gone, [any_other, same_folder, same_name, same_inode]) == {b"s/a.png": b"x.png"}
    assert pair(gone, [any_other, same_folder, same_name]) == {b"s/a.png": b"t/a.png"}
    assert pair(gone, [any_other, same_folder]) == {b"s/a.png": b"s/z.png"}
    assert pair(gone, [any_other]) == {b"s/a.png": b"b.png"}


def test_a_renamed_folder_pairs_each_file_with_its_own_name() -> None:
    gone = [Vanished(b"s/%d.png" % number, A, None) for number in range(5)]
    came = [Appeared(b"t/%d.png" % number, A, None) for number in range(5)]
    assert pair(gone, came) == {b"s/%d.png" % n: b"t/%d.png" % n for n in range(5)}
