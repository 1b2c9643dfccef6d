"""Where paths belong: one board for each, and never out of the place where pulls go."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from boardsync.plan.layout import Layout

_names = st.binary(min_size=1, max_size=4).filter(
    lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..")
) | st.sampled_from([b"outputs", b"x", b"outputs2", b"\xff\n"])
_paths = st.lists(_names, min_size=1, max_size=4).map(b"/".join)
_layouts = st.builds(
    Layout,
    by_subfolder=st.booleans(),
    pull_into=st.none() | st.lists(_names, min_size=1, max_size=2).map(b"/".join),
)

FLAT = Layout()
NESTED = Layout(by_subfolder=True)
DEEP = Layout(by_subfolder=True, pull_into=b"x/y")


@given(_layouts, _paths)
def test_a_path_has_exactly_one_board_and_it_is_its_own_subfolders(
    layout: Layout, path: bytes
) -> None:
    subfolder = layout.subfolder_of(path)
    assert b"/" not in subfolder
    assert subfolder == b"" or (layout.by_subfolder and path.startswith(subfolder + b"/"))


@given(_layouts, _names, _paths)
def test_what_is_pulled_from_a_board_is_never_pushed(
    layout: Layout, name: bytes, item: bytes
) -> None:
    assume(layout.pull_into is not None)
    for subfolder in (b"", name) if layout.by_subfolder else (b"",):
        assert layout.is_pulled_area(layout.pull_directory(subfolder) + b"/" + item)


@given(_names, _names, _paths)
def test_what_is_pulled_from_a_subfolders_board_belongs_to_that_subfolder(
    into: bytes, name: bytes, item: bytes
) -> None:
    # The folder that the root's pulls go to is no board.
    assume(name != into)
    layout = Layout(by_subfolder=True, pull_into=into)
    assert layout.subfolder_of(layout.pull_directory(name) + b"/" + item) == name


@given(_layouts, _paths)
def test_only_what_lies_below_a_place_for_pulls_is_kept_back(layout: Layout, path: bytes) -> None:
    into = layout.pull_into
    parts = path.split(b"/")
    below = [path, b"/".join(parts[1:])] if layout.by_subfolder else [path]
    expected = into is not None and any(one == into or one.startswith(into + b"/") for one in below)
    assert layout.is_pulled_area(path) == expected


@given(_paths)
def test_without_pulls_every_path_is_pushed(path: bytes) -> None:
    assert not Layout(by_subfolder=True, pull_into=None).is_pulled_area(path)


@pytest.mark.parametrize(
    ("layout", "path", "subfolder", "pulled"),
    [
        (FLAT, b"a.png", b"", False),
        (FLAT, b"cats/a.png", b"", False),
        (FLAT, b"outputs/a.png", b"", True),
        (FLAT, b"outputs2/a.png", b"", False),
        (FLAT, b"cats/outputs/a.png", b"", False),
        (NESTED, b"a.png", b"", False),
        (NESTED, b"cats/a.png", b"cats", False),
        (NESTED, b"cats/deep/a.png", b"cats", False),
        (NESTED, b"outputs/a.png", b"", True),
        (NESTED, b"cats/outputs/a.png", b"cats", True),
        (NESTED, b"cats/deep/outputs/a.png", b"cats", False),
        (NESTED, b"\xff\n/outputs/a.png", b"\xff\n", True),
        (DEEP, b"x/y/a.png", b"", True),
        (DEEP, b"x/a.png", b"x", False),
        (DEEP, b"x/x/y/a.png", b"x", True),
    ],
)
def test_examples_of_paths(layout: Layout, path: bytes, subfolder: bytes, pulled: bool) -> None:
    assert (layout.subfolder_of(path), layout.is_pulled_area(path)) == (subfolder, pulled)


def test_a_mirror_that_does_not_pull_has_no_place_for_pulls() -> None:
    with pytest.raises(ValueError, match="does not pull"):
        Layout(pull_into=None).pull_directory(b"")


@given(_layouts, _paths, _names)
def test_a_file_whose_item_went_to_another_board_belongs_to_that_board(
    layout: Layout, path: bytes, name: bytes
) -> None:
    # The folder that the root's pulls go to is no board.
    assume(layout.by_subfolder and name != (layout.pull_into or b"").split(b"/")[0])
    for subfolder in (b"", name):
        moved = layout.moved(path, subfolder)
        assert layout.subfolder_of(moved) == subfolder
        assert moved.rsplit(b"/", 1)[-1] == path.rsplit(b"/", 1)[-1]


@pytest.mark.parametrize(
    ("path", "subfolder", "moved"),
    [
        (b"hands/a.png", b"faces", b"faces/a.png"),
        (b"hands/deep/a.png", b"faces", b"faces/deep/a.png"),
        (b"a.png", b"faces", b"faces/a.png"),
        (b"outputs/deep/a.png", b"faces", b"faces/outputs/deep/a.png"),
        (b"hands/a.png", b"", b"a.png"),
        (b"hands/outputs/deep/a.png", b"", b"outputs/deep/a.png"),
        # A directory of the root would be another board's.
        (b"hands/deep/a.png", b"", b"a.png"),
        (b"hands/deep/deeper/a.png", b"", b"a.png"),
    ],
)
def test_a_moved_file_keeps_its_place_below_its_board(
    path: bytes, subfolder: bytes, moved: bytes
) -> None:
    assert NESTED.moved(path, subfolder) == moved
