"""The table of links: what is done when one side of a picture is not as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.model import ActionKind, LinkState
from boardsync.plan.links import (
    Consent,
    FileSide,
    ItemSide,
    LinkCase,
    LinkVerdict,
    Policy,
    WhenBothChanged,
    WhenChanged,
    WhenDeleted,
    decide_link,
)
from plan.planner_cases import thorough

WRITES_FOLDER = {
    ActionKind.DOWNLOAD, ActionKind.MOVE_FILE, ActionKind.SET_ASIDE, ActionKind.TRASH_FILE,
}  # fmt: skip
WRITES_SERVER = {
    ActionKind.UPLOAD, ActionKind.MOVE_ITEM, ActionKind.TRASH_ITEM,
}  # fmt: skip
REMOVES = {ActionKind.TRASH_ITEM, ActionKind.TRASH_FILE}
A, B = "a" * 64, "b" * 64
CASE = LinkCase(
    number=1, path=b"a.png", digest=A, board=1, item_id="i", version="1",
    file=FileSide.SAME, item=ItemSide.SAME,
)  # fmt: skip
TRASH_BOTH = Policy(file_deleted=WhenDeleted.TRASH, item_deleted=WhenDeleted.TRASH)

policies = st.builds(
    Policy,
    pushes=st.booleans(), pulls=st.booleans(), file_deleted=st.sampled_from(WhenDeleted),
    item_deleted=st.sampled_from(WhenDeleted), content_changed=st.sampled_from(WhenChanged),
    both_changed=st.sampled_from(WhenBothChanged), names_kept=st.booleans(), moves=st.booleans(),
    trashes=st.booleans(),     one_item=st.booleans(),
).filter(lambda policy: policy.pushes or policy.pulls)  # fmt: skip
cases = st.builds(
    LinkCase,
    number=st.just(1), path=st.just(b"a.png"), digest=st.just(A), board=st.just(1),
    item_id=st.just("i"), version=st.just("1"), file=st.sampled_from(FileSide),
    item=st.sampled_from(ItemSide), file_digest=st.sampled_from([A, B, None]),
    item_version=st.sampled_from(["1", "2"]), item_file=st.sampled_from([None, A, B]),
    renamed_to=st.sampled_from([None, b"b.png"]),
    home=st.sampled_from([None, 1, 2]), item_board=st.sampled_from([None, 2]),
    twin=st.sampled_from([None, ("j", "1")]), shared=st.booleans(), pulled=st.booleans(),
    version_of_item=st.booleans(), prepared=st.booleans(), foreign=st.booleans(),
    settled=st.booleans(),
    consent=st.none() | st.sampled_from(Consent),
)  # fmt: skip


def decide(case: LinkCase, policy: Policy = TRASH_BOTH) -> LinkVerdict:
    return decide_link("m", case, policy)


def kind(verdict: LinkVerdict) -> ActionKind | None:
    return verdict.action.kind if verdict.action else None


@given(cases, policies)
@thorough(12)
def test_what_is_not_certain_is_left_alone(case: LinkCase, policy: Policy) -> None:
    verdict = decide(case, policy)
    assert verdict.reason
    if FileSide.UNSURE is case.file or ItemSide.UNSURE is case.item:
        assert (verdict.action, verdict.parted) == (None, None)


@given(cases, policies)
@thorough(12)
def test_where_items_cannot_move_none_is_moved(case: LinkCase, policy: Policy) -> None:
    if not policy.moves:
        assert kind(decide(case, policy)) is not ActionKind.MOVE_ITEM


@given(cases, policies)
@thorough(12)
def test_where_items_cannot_come_back_none_is_removed(case: LinkCase, policy: Policy) -> None:
    if not policy.trashes:
        assert kind(decide(case, policy)) is not ActionKind.TRASH_ITEM


def test_where_items_cannot_move_a_file_that_does_is_one_that_was_deleted_there() -> None:
    gone = replace(CASE, file=FileSide.ABSENT, renamed_to=b"s/b.png", home=2)

    kept = decide(gone, Policy(moves=False))
    removed = decide(gone, replace(TRASH_BOTH, moves=False))

    assert (kept.parted, kept.claims) == (LinkState.FILE_GONE, ())
    assert (kind(removed), removed.claims) == (ActionKind.TRASH_ITEM, (CASE.path,))


def test_where_items_cannot_move_a_rename_is_only_remembered() -> None:
    renamed = replace(CASE, file=FileSide.ABSENT, renamed_to=b"b.png", home=1)

    verdict = decide(renamed, Policy(names_kept=True, moves=False))

    assert kind(verdict) is ActionKind.FOLLOW


@given(cases, policies)
@thorough(12)
def test_a_one_way_mirror_never_writes_to_its_source(case: LinkCase, policy: Policy) -> None:
    chosen = kind(decide(case, policy))
    assert policy.pulls or chosen not in WRITES_FOLDER
    assert policy.pushes or chosen not in WRITES_SERVER


@given(cases, policies)
@thorough(12)
def test_a_picture_is_only_removed_when_its_other_side_is_gone_and_the_settings_say_so(
    case: LinkCase, policy: Policy
) -> None:
    chosen = kind(decide(case, policy))
    if chosen is ActionKind.TRASH_ITEM:
        assert case.file is FileSide.ABSENT
        assert case.item is ItemSide.SAME or (case.item is ItemSide.CHANGED and case.item_file)
        assert policy.file_deleted is WhenDeleted.TRASH
        # Where items cannot be moved, a file that goes to another board is sent there anew.
        assert case.renamed_to is None or (case.home not in (None, 1) and not policy.moves)
        assert case.settled
        assert case.consent in (None, Consent.APPROVED)
        assert not case.shared
        assert not case.foreign
    if chosen is ActionKind.TRASH_FILE:
        assert case.file is FileSide.SAME
        assert case.item in (ItemSide.ABSENT, ItemSide.ELSEWHERE)
        assert policy.item_deleted is WhenDeleted.TRASH
        assert case.twin is None
        assert case.settled
        assert case.consent in (None, Consent.APPROVED)


@given(cases, policies)
@thorough(12)
def test_parting_and_acting_exclude_each_other(case: LinkCase, policy: Policy) -> None:
    verdict = decide(case, policy)
    assert verdict.action is None or verdict.parted is None
    if verdict.parted is LinkState.FILE_GONE:
        news = case.item in (ItemSide.CHANGED, ItemSide.ABSENT)
        assert case.file is FileSide.ABSENT or (case.file is FileSide.LEFT and news)
    edited = case.prepared and case.item is ItemSide.CHANGED
    if verdict.parted is LinkState.ITEM_GONE and not edited:
        assert case.item in (ItemSide.ABSENT, ItemSide.ELSEWHERE)


@given(cases)
@thorough(12)
def test_by_default_nothing_is_ever_removed(case: LinkCase) -> None:
    assert kind(decide(case, Policy())) not in REMOVES


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"file": FileSide.ABSENT}, ActionKind.TRASH_ITEM),
        ({"file": FileSide.ABSENT, "renamed_to": b"b.png"}, ActionKind.FOLLOW),
        (
            {"file": FileSide.ABSENT, "renamed_to": b"s/b.png", "home": 2},
            ActionKind.MOVE_ITEM,
        ),
        ({"file": FileSide.ABSENT, "item": ItemSide.CHANGED}, ActionKind.DOWNLOAD),
        ({"item": ItemSide.ABSENT}, ActionKind.TRASH_FILE),
        ({"item": ItemSide.ABSENT, "twin": ("j", "1")}, ActionKind.LINK),
        ({"item": ItemSide.ELSEWHERE, "item_board": 2}, ActionKind.MOVE_FILE),
        ({"item": ItemSide.CHANGED}, ActionKind.DOWNLOAD),
        ({"item": ItemSide.CHANGED, "file": FileSide.CHANGED}, ActionKind.SET_ASIDE),
        ({"item": ItemSide.ABSENT, "file": FileSide.CHANGED}, None),
    ],
)
def test_each_case_has_its_step(changes: dict[str, object], expected: ActionKind | None) -> None:
    assert kind(decide(replace(CASE, **changes))) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wins", "expected"),
    [
        (WhenBothChanged.BOTH, ActionKind.SET_ASIDE),
        (WhenBothChanged.SERVER, ActionKind.DOWNLOAD),
        (WhenBothChanged.LOCAL, None),
    ],
)
def test_a_conflict_ends_as_the_settings_say(
    wins: WhenBothChanged, expected: ActionKind | None
) -> None:
    case = replace(CASE, file=FileSide.CHANGED, file_digest=B, item=ItemSide.CHANGED)
    verdict = decide(case, Policy(both_changed=wins))
    assert kind(verdict) is expected
    assert verdict.action is None or verdict.action.digest == B


@pytest.mark.parametrize("wins", WhenBothChanged)
def test_a_file_that_was_pulled_from_its_item_since_is_no_conflict(wins: WhenBothChanged) -> None:
    case = replace(
        CASE, file=FileSide.CHANGED, file_digest=B, item=ItemSide.CHANGED, item_version="3",
        version_of_item=True,
    )  # fmt: skip
    verdict = decide(case, Policy(both_changed=wins))
    assert kind(verdict) is ActionKind.DOWNLOAD
    assert verdict.action is not None
    assert (verdict.action.digest, verdict.action.version) == (B, "3")


@pytest.mark.parametrize(
    ("item", "parted"),
    [
        (ItemSide.SAME, None), (ItemSide.ELSEWHERE, None),
        (ItemSide.CHANGED, LinkState.FILE_GONE), (ItemSide.ABSENT, LinkState.FILE_GONE),
    ],
)  # fmt: skip
def test_what_was_left_in_another_folder_stands_in_nobodys_way(
    item: ItemSide, parted: LinkState | None
) -> None:
    verdict = decide(replace(CASE, file=FileSide.LEFT, item=item, item_board=2))
    assert (verdict.action, verdict.parted) == (None, parted)


def test_two_files_of_one_item_part_one_by_one_without_a_removal() -> None:
    verdict = decide(replace(CASE, file=FileSide.ABSENT, shared=True))
    assert (verdict.action, verdict.parted) == (None, LinkState.FILE_GONE)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"file": FileSide.ABSENT}, ActionKind.DOWNLOAD),
        ({"item": ItemSide.ABSENT}, ActionKind.UPLOAD),
    ],
)
def test_what_a_person_restores_comes_back_from_the_other_side(
    changes: dict[str, object], expected: ActionKind
) -> None:
    case = replace(CASE, consent=Consent.RESTORE, **changes)  # type: ignore[arg-type]
    assert kind(decide(case)) is expected


@pytest.mark.parametrize("changes", [{"file": FileSide.ABSENT}, {"item": ItemSide.ABSENT}])
def test_what_a_person_dismisses_is_parted_and_kept(changes: dict[str, object]) -> None:
    case = replace(CASE, consent=Consent.DISMISSED, **changes)  # type: ignore[arg-type]
    verdict = decide(case)
    assert verdict.action is None
    assert verdict.parted is not None


def test_what_is_gone_on_both_sides_is_parted() -> None:
    verdict = decide(replace(CASE, file=FileSide.ABSENT, item=ItemSide.ABSENT))
    assert (verdict.action, verdict.parted) == (None, LinkState.FILE_GONE)


@given(cases, policies)
@thorough(12)
def test_what_was_made_of_a_file_never_takes_its_place(case: LinkCase, policy: Policy) -> None:
    edited = replace(
        case, prepared=True, version_of_item=False, item=ItemSide.CHANGED, item_file=None,
        item_version="2",
    )  # fmt: skip
    if edited.file in (FileSide.SAME, FileSide.CHANGED):
        verdict = decide(edited, policy)
        assert kind(verdict) not in (ActionKind.DOWNLOAD, ActionKind.SET_ASIDE)


def test_an_edited_copy_of_a_file_parts_so_that_both_are_kept() -> None:
    case = replace(CASE, prepared=True, item=ItemSide.CHANGED, item_version="2")
    assert decide(case).parted is LinkState.ITEM_GONE
    assert decide(case, Policy(pulls=False)).parted is None
    changed = replace(case, file=FileSide.CHANGED, file_digest=B)
    assert decide(changed).parted is LinkState.ITEM_GONE
    assert decide(changed, Policy(both_changed=WhenBothChanged.LOCAL)).parted is None


def test_where_items_cannot_be_moved_a_moved_files_item_is_removed_and_says_why() -> None:
    case = replace(CASE, file=FileSide.ABSENT, renamed_to=b"other/a.png", home=2)
    policy = Policy(file_deleted=WhenDeleted.TRASH, moves=False)
    action = decide(case, policy).action
    assert action is not None
    assert action.kind is ActionKind.TRASH_ITEM
    assert "moves no items" in action.reason
    assert kind(decide(case, replace(policy, moves=True))) is ActionKind.MOVE_ITEM
