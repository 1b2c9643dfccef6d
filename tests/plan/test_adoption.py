"""Which items may be which files, and which are."""

from __future__ import annotations

from boardsync.model import LinkState
from boardsync.plan.adoption import (
    Candidate,
    Measured,
    Pairing,
    Picture,
    grouped,
    is_adoptable,
    pictures_of,
)
from boardsync.plan.cases import FileCase, KnownLink, OwnItem

A, B = Picture("aa", (b"a.png",)), Picture("bb", (b"b.png",))


def known(state: LinkState, *, there: bool = True) -> KnownLink:
    return KnownLink(b"x.png", "aa", 1, "item", "1", state, "1" if there else None)


def test_files_of_one_content_are_one_picture_or_one_each() -> None:
    files = [(b"b.png", "aa"), (b"a.png", "aa"), (b"c.png", "bb")]
    shared = [Picture("aa", (b"a.png", b"b.png")), Picture("bb", (b"c.png",))]
    assert pictures_of(files, one_item=True) == shared
    assert [one.paths for one in pictures_of(files, one_item=False)] == [
        (b"a.png",), (b"b.png",), (b"c.png",),
    ]  # fmt: skip


def test_only_shapes_in_which_a_picture_may_be_shown_come_into_question() -> None:
    turned = Measured(A, frozenset({(3, 2), (2, 3)}))
    straight = Measured(B, frozenset({(5, 4)}))
    items = [Candidate(str(n), "", shape) for n, shape in enumerate([(2, 3), (4, 5), (3, 2)])]

    [group] = grouped([turned, straight], items)

    assert group.pictures == [A]
    assert group.items == [items[0], items[2]]


def test_the_first_item_with_a_look_is_its_pictures_and_later_ones_are_too_many() -> None:
    pairing = Pairing()
    pairing.expect(A, ["one", "other"])
    first, second = pairing.claim("other"), pairing.claim("one")
    assert first is not None
    assert (first.picture, first.fresh) == (A, True)
    assert second is not None
    assert (second.picture, second.fresh) == (A, False)
    assert pairing.claim("a third") is None


def test_pictures_that_look_alike_get_an_item_each() -> None:
    pairing = Pairing()
    pairing.expect(A, ["one"])
    pairing.expect(B, ["one"])
    found = [pairing.claim("one") for _ in range(3)]
    assert [(one.picture, one.fresh) for one in found if one] == [(A, True), (B, True), (A, False)]


def test_a_file_is_adoptable_only_while_nothing_is_known_of_its_picture() -> None:
    case = FileCase(b"a.png", "aa")
    assert is_adoptable(case, one_item=True)
    agreed, parted = known(LinkState.AGREED), known(LinkState.UNDONE)
    own = (OwnItem("item", "1"),)
    assert not is_adoptable(FileCase(b"a.png", "aa", of_path=(agreed,)), one_item=True)
    assert not is_adoptable(FileCase(b"a.png", "aa", own=own), one_item=True)
    assert not is_adoptable(FileCase(b"a.png", "aa", origin=own[0]), one_item=True)
    assert not is_adoptable(FileCase(b"a.png", "aa", trashed="item"), one_item=True)
    assert not is_adoptable(FileCase(b"a.png", "aa", of_digest=(parted,)), one_item=False)
    assert not is_adoptable(FileCase(b"a.png", "aa", of_digest=(agreed,)), one_item=True)
    assert is_adoptable(FileCase(b"a.png", "aa", of_digest=(agreed,)), one_item=False)
