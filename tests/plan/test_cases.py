"""The table of cases: what is agreed stays, what is parted stays parted, all has a reason."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.model import Action, ActionKind, Category, LinkState
from boardsync.plan.cases import (
    AWAITED,
    FileCase,
    ItemCase,
    KnownLink,
    OwnItem,
    PullPolicy,
    decide_file,
    decide_item,
)
from boardsync.plan.links import Policy, WhenBothChanged
from boardsync.plan.tokens import token_for
from plan.planner_cases import (
    DIGEST,
    MIRROR,
    OTHER_DIGEST,
    OTHER_MIRROR,
    PATH,
    file_cases,
    item_cases,
    known,
    mark,
    policies,
    small_file_cases,
    small_item_cases,
    thorough,
)

PARTED = (LinkState.ITEM_GONE, LinkState.UNDONE)
"""What a person ended: the file is there, its item was deleted, or an undo took it back."""


def is_parted(one: KnownLink) -> bool:
    """An item that is there again is not gone."""
    return one.state is LinkState.UNDONE or (
        one.state is LinkState.ITEM_GONE and not one.item_there
    )


def kind_of(case: FileCase) -> ActionKind | None:
    action = decide_file(MIRROR, case).action
    return None if action is None else action.kind


def keeps_the_promises(case: FileCase) -> None:
    """Hold a decision about a file against everything that is promised of all of them."""
    verdict = decide_file(MIRROR, case)
    assert verdict.reason.strip()
    same = [one for one in case.of_path if one.digest == case.digest]
    if verdict.action is not None:
        _names_its_subject(case, verdict.action)
        assert verdict.action.reason == verdict.reason
        assert not any(one.state is LinkState.AGREED or is_parted(one) for one in same)
        _is_allowed(case, verdict.action)


def _names_its_subject(case: FileCase, action: Action) -> None:
    assert (action.mirror, action.path, action.digest) == (MIRROR, case.path, case.digest)
    assert action.token == token_for(MIRROR, case.digest)


def _is_allowed(case: FileCase, action: Action) -> None:
    """Hold an action against what is there: nothing is sent that is known, nothing linked blind."""
    same = [one for one in case.of_path if one.digest == case.digest]
    there = {(o.item_id, o.version) for o in (*same, *case.of_digest) if o.item_there}
    marked = {(own.item_id, own.version) for own in case.own}
    side = (action.item_id, action.version)
    match action.kind:
        case ActionKind.UPLOAD:
            assert side == (None, "")
            assert not case.own
            assert not any(is_parted(one) for one in (*same, *case.of_digest))
            assert not there
        case ActionKind.LINK:
            assert side in there | marked
        case ActionKind.RELINK:
            assert side in {(one.item_id, one.version) for one in same if one.item_there}
        case _:
            pytest.fail(f"a file never asks for {action.kind}")


def test_every_case_of_a_small_world_keeps_the_promises() -> None:
    cases = list(small_file_cases())
    for case in cases:
        keeps_the_promises(case)
    assert len(cases) > 90_000


@given(file_cases())
@thorough(7)
def test_any_case_of_a_file_keeps_the_promises(case: FileCase) -> None:
    keeps_the_promises(case)
    assert decide_file(MIRROR, case) == decide_file(MIRROR, case)


@given(file_cases())
@thorough(7)
def test_links_of_other_content_change_the_words_and_never_the_deed(case: FileCase) -> None:
    without = replace(case, of_path=tuple(o for o in case.of_path if o.digest == case.digest))
    if "both sides" in decide_file(MIRROR, case).reason:
        assert any(o.now_version not in (None, o.version) for o in case.of_path)
    else:
        assert kind_of(case) == kind_of(without)


@given(file_cases(), st.booleans(), st.sampled_from(WhenBothChanged))
@thorough(7)
def test_an_upload_takes_the_place_of_its_own_old_item_only(
    case: FileCase, names_kept: bool, wins: WhenBothChanged
) -> None:
    policy = Policy(names_kept=names_kept, both_changed=wins)
    action = decide_file(MIRROR, case, policy).action
    if action is not None and action.kind is ActionKind.UPLOAD and action.item_id is not None:
        assert names_kept
        old = [o for o in case.of_path if o.item_id == action.item_id]
        assert any(
            o.state is LinkState.AGREED and o.digest != case.digest
            and o.now_version == action.version
            for o in old
        )  # fmt: skip


def test_a_new_file_is_uploaded() -> None:
    verdict = decide_file(MIRROR, FileCase(PATH, DIGEST))
    assert verdict.action is not None
    assert (verdict.action.kind, verdict.reason) == (ActionKind.UPLOAD, "new in the folder")


def test_changed_content_is_uploaded_and_the_reason_says_so() -> None:
    verdict = decide_file(MIRROR, FileCase(PATH, DIGEST, of_path=(known(digest=OTHER_DIGEST),)))
    assert verdict.action is not None
    assert (verdict.action.kind, verdict.reason) == (ActionKind.UPLOAD, "its content changed")


@pytest.mark.parametrize("there", [True, False])
def test_an_agreed_file_needs_nothing_whatever_the_listing_shows(there: bool) -> None:
    assert kind_of(FileCase(PATH, DIGEST, of_path=(known(there=there),))) is None


def test_an_item_that_is_there_again_is_linked_again() -> None:
    for case in (
        FileCase(PATH, DIGEST, of_path=(known(state=LinkState.ITEM_GONE),)),
        FileCase(PATH, DIGEST, of_digest=(known(b"b.png", state=LinkState.ITEM_GONE),)),
    ):
        assert kind_of(case) in (ActionKind.RELINK, ActionKind.LINK)


@pytest.mark.parametrize(
    ("state", "there"),
    [(LinkState.ITEM_GONE, False), (LinkState.UNDONE, False), (LinkState.UNDONE, True)],
)
def test_a_parted_file_stays_parted_and_the_words_name_the_way_back(
    state: LinkState, there: bool
) -> None:
    for case in (
        FileCase(PATH, DIGEST, of_path=(known(state=state, there=there),)),
        FileCase(PATH, DIGEST, of_digest=(known(b"b.png", state=state, there=there),)),
    ):
        verdict = decide_file(MIRROR, case)
        assert verdict.action is None
        assert "boardsync again" in verdict.reason


def test_an_earlier_version_that_comes_back_is_linked_to_its_old_item() -> None:
    old = known(state=LinkState.SUPERSEDED, item_id="old")
    new = known(digest=OTHER_DIGEST, item_id="new")
    action = decide_file(MIRROR, FileCase(PATH, DIGEST, of_path=(old, new))).action
    assert action is not None
    assert (action.kind, action.item_id) == (ActionKind.RELINK, "old")


def test_an_earlier_version_whose_item_is_gone_is_sent_anew() -> None:
    old = known(state=LinkState.SUPERSEDED, there=False)
    assert kind_of(FileCase(PATH, DIGEST, of_path=(old,))) is ActionKind.UPLOAD


@pytest.mark.parametrize("state", [LinkState.AGREED, LinkState.FILE_GONE, LinkState.SUPERSEDED])
def test_a_copy_or_a_renamed_file_takes_the_item_that_is_there(state: LinkState) -> None:
    other = known(b"old name\n.png", state=state, item_id="i7")
    action = decide_file(MIRROR, FileCase(PATH, DIGEST, of_digest=(other,))).action
    assert action is not None
    assert (action.kind, action.item_id) == (ActionKind.LINK, "i7")


def test_an_item_that_carries_our_mark_is_linked_and_the_oldest_wins() -> None:
    case = FileCase(PATH, DIGEST, own=(OwnItem("first", "1"), OwnItem("second", "1")))
    action = decide_file(MIRROR, case).action
    assert action is not None
    assert (action.kind, action.item_id, action.version) == (ActionKind.LINK, "first", "1")


def test_the_reason_shows_a_path_that_is_no_text() -> None:
    case = FileCase(PATH, DIGEST, of_digest=(known(b"\xff.png"),))
    assert r"\xff.png" in decide_file(MIRROR, case).reason


Obstacle = Callable[[ItemCase], tuple[ItemCase, PullPolicy]]
_PULLED = ItemCase("i1", "1", category="general", created_ms=5)
_POLICY = PullPolicy()
_OBSTACLES: dict[str, Obstacle] = {
    "this mirror uploaded it": lambda item: (replace(item, mark=mark()), _POLICY),
    "for mirror 'other'": lambda item: (replace(item, mark=mark(OTHER_MIRROR)), _POLICY),
    "intermediate": lambda item: (replace(item, intermediate=True), _POLICY),
    "category is user, wanted: general": lambda item: (replace(item, category="user"), _POLICY),
    "not starred": lambda item: (item, PullPolicy(starred_only=True)),
    "older than `since`": lambda item: (item, PullPolicy(since_ms=6)),
    "does not match `search`": lambda item: (replace(item, matches=False), _POLICY),
    "linked": lambda item: (replace(item, of_item=(known(version="1"),)), _POLICY),
}


def test_a_new_output_is_downloaded() -> None:
    verdict = decide_item(MIRROR, _PULLED, _POLICY)
    assert verdict.action is not None
    action = verdict.action
    assert (action.kind, action.item_id, action.version, action.mirror) == (
        ActionKind.DOWNLOAD, "i1", "1", MIRROR,
    )  # fmt: skip
    assert action.reason == verdict.reason == "new on the board"


@pytest.mark.parametrize("words", _OBSTACLES)
def test_one_obstacle_is_enough_and_is_named(words: str) -> None:
    verdict = decide_item(MIRROR, *_OBSTACLES[words](_PULLED))
    assert verdict.action is None
    assert words in verdict.reason


@pytest.mark.parametrize("state", list(LinkState))
def test_an_item_whose_link_ended_is_not_fetched_again(state: LinkState) -> None:
    item = replace(_PULLED, of_item=(known(state=state, version="1", there=False),))
    assert decide_item(MIRROR, item, _POLICY).action is None


def test_a_new_version_of_an_item_whose_file_was_deleted_is_fetched() -> None:
    item = replace(_PULLED, of_item=(known(version="0", state=LinkState.FILE_GONE),))
    assert decide_item(MIRROR, item, _POLICY).reason == "changed on the board"


def test_a_new_version_of_a_linked_item_is_its_links_affair() -> None:
    item = replace(_PULLED, of_item=(known(version="0"),))
    assert decide_item(MIRROR, item, _POLICY).action is None


def test_a_server_without_categories_is_not_asked_for_one() -> None:
    item = replace(_PULLED, category=None)
    assert decide_item(MIRROR, item, PullPolicy(categories=None)).action is not None


def pulls_what_the_policy_says(item: ItemCase, policy: PullPolicy) -> None:
    """Hold a decision about an item against the settings' own words."""
    verdict = decide_item(MIRROR, item, policy)
    assert verdict.reason.strip()
    allowed = (
        all(one.version != item.version for one in item.of_item)
        and not any(one.state is LinkState.AGREED for one in item.of_item)
        and (item.mark is None or (policy.marked and item.mark.mirror != MIRROR))
        and not item.intermediate
        and (policy.categories is None or item.category in policy.categories)
        and (item.starred or not policy.starred_only)
        and (policy.since_ms is None or (item.created_ms or 0) >= policy.since_ms)
        and item.matches
    )
    assert (verdict.action is not None) == allowed
    if verdict.action is not None:
        action = verdict.action
        assert (action.kind, action.item_id) == (ActionKind.DOWNLOAD, item.item_id)
        assert (action.version, action.path, action.reason) == (item.version, None, verdict.reason)


def test_every_item_of_a_small_world_is_pulled_as_the_policy_says() -> None:
    cases = list(small_item_cases())
    for item, policy in cases:
        pulls_what_the_policy_says(item, policy)
    assert len(cases) > 15_000


@given(item_cases, policies)
@thorough(7)
def test_any_item_is_pulled_as_the_policy_says(item: ItemCase, policy: PullPolicy) -> None:
    pulls_what_the_policy_says(item, policy)
    assert decide_item(MIRROR, item, policy) == decide_item(MIRROR, item, policy)


_ALL_WORDS = """
from plan.planner_cases import MIRROR, small_file_cases
from boardsync.model import Category
from boardsync.plan.cases import ItemCase, PullPolicy, decide_file, decide_item
policy = PullPolicy(categories=frozenset(Category) - {Category.USER})
print(decide_item(MIRROR, ItemCase("i", "", category="user"), policy).reason)
print([decide_file(MIRROR, case) for case, _ in zip(small_file_cases(), range(200))])
"""


def test_another_process_decides_alike_to_the_letter() -> None:
    def told(seed: str) -> bytes:
        tests = str(Path(__file__).parent.parent)
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": tests}
        command = [sys.executable, "-c", _ALL_WORDS]
        return subprocess.run(command, capture_output=True, check=True, env=environment).stdout

    assert told("1") == told("2")
    assert b"control, general, mask, other" in told("3")


def test_categories_compare_as_the_server_writes_them() -> None:
    assert Category.GENERAL in frozenset({"general"})


def test_a_pulled_file_is_linked_with_its_own_item_although_a_copy_was_sent() -> None:
    copy = KnownLink(
        path=b"copy.png", digest=DIGEST, board=1, item_id="sent", version="1",
        state=LinkState.AGREED, now_version="1",
    )  # fmt: skip
    case = FileCase(PATH, DIGEST, of_digest=(copy,), origin=OwnItem("pulled", "1"))

    action = decide_file(MIRROR, case).action

    assert action is not None
    assert (action.kind, action.item_id) == (ActionKind.LINK, "pulled")


def test_a_copy_is_linked_only_when_no_item_that_comes_down_may_be_what_it_is() -> None:
    case = FileCase(PATH, DIGEST, of_digest=(known(b"b.png"),), pulled=True)
    assert kind_of(case) is ActionKind.LINK
    assert kind_of(replace(case, awaited=True)) is None
    assert decide_file(MIRROR, replace(case, awaited=True)).reason == AWAITED
    # Its own origin tells more than a time does.
    origin = OwnItem("pulled", "1")
    assert kind_of(replace(case, awaited=True, origin=origin)) is ActionKind.LINK
