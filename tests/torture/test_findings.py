"""The judge of the torture: whatever could go wrong is seen, and nothing is when nothing did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from torture.findings import Contents, Finding, Item, Kind, Seen, judge, old_versions
from torture.ledger import Ledger

OURS, COPIED, OLD, FOREIGN, UNKNOWN = "ours", "copied", "old", "foreign", "unknown"


def item(identity: str, name: str = "", *, marked: bool = True) -> Item:
    return Item(name or f"{identity}.png", identity, marked)


@pytest.fixture
def ledger() -> Ledger:
    """One file with an old version, one picture at two paths, one from somebody else."""
    ledger = Ledger()
    ledger.wrote("a.png", OLD)
    ledger.wrote("a.png", OURS)
    ledger.wrote("b.png", COPIED)
    ledger.wrote("c.png", COPIED)
    ledger.put(FOREIGN)
    return ledger


@pytest.fixture
def right() -> Seen:
    return Seen(
        files={"a.png": OURS, "b.png": COPIED, "c.png": COPIED},
        pulled={"outputs/f.png": FOREIGN},
        server=Contents((item(OURS), item(COPIED), item(OLD), item(FOREIGN, marked=False))),
    )


def without(seen: Seen, identity: str) -> Seen:
    """Take a picture off the board."""
    board = tuple(one for one in seen.server.board if one.identity != identity)
    return replace(seen, server=replace(seen.server, board=board))


def with_more(seen: Seen, where: str, *items: Item) -> Seen:
    """Put items onto the board, into the trash, or elsewhere."""
    held = (*getattr(seen.server, where), *items)
    return replace(seen, server=replace(seen.server, **{where: held}))


def kinds(findings: list[Finding]) -> list[Kind]:
    return [finding.kind for finding in findings]


def test_what_is_right_is_right_with_an_old_version_on_the_board_in_the_trash_or_nowhere(
    ledger: Ledger, right: Seen
) -> None:
    gone = without(right, OLD)
    assert judge(ledger, right) == []
    assert old_versions(ledger, right.server) == 1
    assert judge(ledger, gone) == []
    assert judge(ledger, with_more(gone, "trash", item(OLD))) == []
    assert old_versions(ledger, gone.server) == 0


def test_the_trash_may_hold_a_twin_of_ours_and_nothing_of_others(
    ledger: Ledger, right: Seen
) -> None:
    assert judge(ledger, with_more(right, "trash", item(OURS, "twin.png"), item(OLD))) == []
    for identity in (FOREIGN, UNKNOWN):
        assert kinds(judge(ledger, with_more(right, "trash", item(identity)))) == [Kind.STRANGER]


def test_a_file_that_is_gone_or_changed_is_a_loss(ledger: Ledger, right: Seen) -> None:
    gone = replace(right, files={"a.png": OURS, "b.png": UNKNOWN})
    assert kinds(judge(ledger, gone)) == [Kind.LOSS, Kind.LOSS]


def test_a_file_that_nobody_wrote_is_a_stranger(ledger: Ledger, right: Seen) -> None:
    more = replace(right, files={**right.files, "a (conflict).png": OURS})
    assert kinds(judge(ledger, more)) == [Kind.STRANGER]


@pytest.mark.parametrize("identity", [OURS, COPIED, FOREIGN])
def test_a_picture_that_is_not_on_the_board_is_a_loss(
    ledger: Ledger, right: Seen, identity: str
) -> None:
    assert kinds(judge(ledger, without(right, identity))) == [Kind.LOSS]


@pytest.mark.parametrize("identity", [OURS, COPIED, OLD, FOREIGN])
def test_a_picture_that_is_on_the_board_twice_is_a_double(
    ledger: Ledger, right: Seen, identity: str
) -> None:
    twin = item(identity, "twin.png", marked=identity != FOREIGN)
    assert kinds(judge(ledger, with_more(right, "board", twin))) == [Kind.DOUBLE]


@pytest.mark.parametrize("identity", [OURS, OLD, FOREIGN])
def test_a_picture_on_the_board_and_on_another_is_a_double(
    ledger: Ledger, right: Seen, identity: str
) -> None:
    assert kinds(judge(ledger, with_more(right, "elsewhere", item(identity)))) == [Kind.DOUBLE]


@pytest.mark.parametrize("where", ["board", "elsewhere"])
def test_what_came_of_no_file_is_a_stranger_wherever_it_is(
    ledger: Ledger, right: Seen, where: str
) -> None:
    assert kinds(judge(ledger, with_more(right, where, item(UNKNOWN)))) == [Kind.STRANGER]


def test_a_foreign_picture_with_our_mark_is_a_stranger(ledger: Ledger, right: Seen) -> None:
    marked = with_more(without(right, FOREIGN), "board", item(FOREIGN, marked=True))
    assert kinds(judge(ledger, marked)) == [Kind.STRANGER]


def test_a_foreign_picture_has_to_come_down_exactly_once(ledger: Ledger, right: Seen) -> None:
    twice = {**right.pulled, "outputs/f (2).png": FOREIGN}
    assert kinds(judge(ledger, replace(right, pulled={}))) == [Kind.LOSS]
    assert kinds(judge(ledger, replace(right, pulled=twice))) == [Kind.DOUBLE]


def test_our_own_picture_in_the_pulled_area_is_a_stranger(ledger: Ledger, right: Seen) -> None:
    echo = {**right.pulled, "outputs/a.png": OURS}
    assert kinds(judge(ledger, replace(right, pulled=echo))) == [Kind.STRANGER]


def test_what_is_left_behind_is_litter_and_named_last(ledger: Ledger, right: Seen) -> None:
    seen = replace(right, pulled={}, litter=[".boardsync-tmp-1"])
    found = judge(ledger, seen)
    assert kinds(found) == [Kind.LOSS, Kind.LITTER]
    assert ".boardsync-tmp-1" in found[1].words


def test_an_old_version_that_was_brought_back_is_a_picture_like_any_other(
    ledger: Ledger, right: Seen
) -> None:
    ledger.wrote("a.png", OLD)
    seen = replace(right, files={**right.files, "a.png": OLD})
    assert judge(ledger, seen) == []
    assert kinds(judge(ledger, without(seen, OLD))) == [Kind.LOSS]
    assert old_versions(ledger, seen.server) == 1  # what it was in between


def test_a_renamed_file_is_expected_at_its_new_path_only(ledger: Ledger, right: Seen) -> None:
    ledger.renamed("a.png", "z.png")
    assert kinds(judge(ledger, right)) == [Kind.LOSS, Kind.STRANGER]
    moved = {"z.png": OURS, "b.png": COPIED, "c.png": COPIED}
    assert judge(ledger, replace(right, files=moved)) == []
