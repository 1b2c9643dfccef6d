"""7. A changed rule, path or board read as deletion: files merely become unmanaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from engine.world import picture
from scenarios.ground import Ground

FILES = 24
Change = Callable[[Ground], dict[str, Any]]


def a_rule(here: Ground) -> dict[str, Any]:
    return {"ignore": ["/1/", "*4.png"]}


def an_ignore_file(here: Ground) -> dict[str, Any]:
    (here.folder / ".boardsyncignore").write_text("/2/\n*.png\n")
    return {}


def a_narrow_include(here: Ground) -> dict[str, Any]:
    return {"include": ["*.jpg"]}


def the_place_of_pulls(here: Ground) -> dict[str, Any]:
    return {"pull": {"into": "3"}}


def another_empty_folder(here: Ground) -> dict[str, Any]:
    other = here.base / "other"
    other.mkdir()
    return {"folder": str(other)}


def a_folder_that_is_not_there(here: Ground) -> dict[str, Any]:
    return {"folder": str(here.base / "nowhere")}


def a_subfolder(here: Ground) -> dict[str, Any]:
    return {"folder": str(here.folder / "1")}


def a_copy_of_the_folder(here: Ground) -> dict[str, Any]:
    copy = here.base / "copy"
    shutil.copytree(here.folder, copy)
    return {"folder": str(copy)}


def another_board(here: Ground) -> dict[str, Any]:
    here.hands.put("stranger.png", picture(800), board="second")
    return {"board": "second"}


def a_board_for_each_subfolder(here: Ground) -> dict[str, Any]:
    return {"board": None, "boards": "by-subfolder", "default_board": "rest"}


def another_id(here: Ground) -> dict[str, Any]:
    return {"id": "another"}


def another_name(here: Ground) -> dict[str, Any]:
    return {"id": "m", "name": "renamed"}


def only_pushing(here: Ground) -> dict[str, Any]:
    return {"direction": "push", "policies": {"file_deleted": "trash"}}


def only_pulling(here: Ground) -> dict[str, Any]:
    return {"direction": "pull", "policies": {"item_deleted": "trash"}}


def smaller_limits(here: Ground) -> dict[str, Any]:
    return {"max_bytes": 10, "max_pixels": 10}


CHANGES: list[Change] = [
    a_rule, an_ignore_file, a_narrow_include, the_place_of_pulls, another_empty_folder,
    a_folder_that_is_not_there, a_subfolder, a_copy_of_the_folder, another_board,
    a_board_for_each_subfolder, another_id, another_name, only_pushing, only_pulling,
    smaller_limits,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_a_changed_setting_deletes_nothing_and_may_be_changed_back(
    here: Ground, change: Change
) -> None:
    await here.fill(FILES)
    files, before = here.local(), dict(here.settings["mirrors"][0])
    items = set(here.hands.contents())
    await here.change(**change(here))
    for _ in range(3):
        result = await here.look()
        require_nothing_gone(here, files, items)
        assert result.held == 0

    (here.folder / ".boardsyncignore").unlink(missing_ok=True)
    here.settings["mirrors"][0] = before
    await here.restart()
    for _ in range(3):
        result = await here.look()
        require_nothing_gone(here, files, items)
        assert result.held == 0
    assert here.told()["synced"] >= FILES


def require_nothing_gone(here: Ground, files: dict[str, bytes], items: set[str]) -> None:
    """Every file is there, and every item, wherever on the server it lies now."""
    there = here.local()
    assert {path: there.get(path) for path in files} == files
    boards = ("board", "rest", *(str(number) for number in range(4)))
    held = set().union(*(here.hands.contents(board) for board in boards))
    assert items <= held
    assert here.hands.trash() == []
