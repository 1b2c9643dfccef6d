"""Deletions between a folder and a real InvokeAI server: passed on, held, brought back."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from real.mirror_kit import Setup, make_pictures

pytestmark = pytest.mark.real

WAITS = {"quiet": "500ms", "removal": "500ms", "confirm": "500ms", "rewrite": "500ms"}
TRASH = {"file_deleted": "trash", "item_deleted": "trash"}


@pytest.fixture
def passing(setup: Setup) -> Setup:
    """A mirror that passes deletions on, with forty pictures in step."""
    setup.write_config(setup.server.url, policies=TRASH, settle=WAITS)
    make_pictures(setup.folder, 40)
    assert setup.once()["synced"] == 40
    return setup


def pictures(setup: Setup) -> list[str]:
    return sorted(
        str(path.relative_to(setup.folder)) for path in setup.folder.rglob("*") if path.is_file()
    )


def in_the_trash(setup: Setup) -> set[str]:
    boards = setup.api("boards/?all=true&include_archived=true")
    found = [b["board_id"] for b in boards if b["board_name"] == "boardsync trash"]
    return {name for board in found for name in setup.api(f"boards/{board}/image_names")}


def json_of(setup: Setup, *arguments: str) -> Any:
    done = setup.run(*arguments, "--json")
    return json.loads(done.stdout)


def looked(setup: Setup) -> dict[str, Any]:
    return json_of(setup, "once")["mirrors"][0]


def test_a_deleted_file_moves_its_image_to_the_trash_board_and_can_be_undone(
    passing: Setup,
) -> None:
    before = set(passing.names())
    (passing.folder / pictures(passing)[0]).unlink()

    result = looked(passing)

    (gone,) = before - set(passing.names())
    assert (result["trashed"], result["held"]) == (1, 0)
    assert gone in in_the_trash(passing)
    (entry,) = [e for e in json_of(passing, "trash", "list")["trash"] if e["side"] == "item"]
    assert passing.run("trash", "restore", str(entry["id"])).returncode == 0
    assert gone in set(passing.names())
    assert looked(passing)["uploaded"] == 0
    assert set(passing.names()) == before


def test_a_deleted_image_moves_its_file_to_the_local_trash(passing: Setup) -> None:
    gone = passing.names()[0]
    passing.delete_image(gone)

    result = looked(passing)

    assert (result["trashed"], result["held"], len(pictures(passing))) == (1, 0, 39)
    kept = [p for p in (passing.folder.parent / ".boardsync-trash").rglob("*") if p.is_file()]
    assert len(kept) == 1


def test_a_rename_sends_nothing(passing: Setup) -> None:
    before = set(passing.names())
    os.rename(passing.folder / "a", passing.folder / "renamed")

    result = looked(passing)

    assert (result["uploaded"], result["trashed"], result["held"]) == (0, 0, 0)
    assert (result["synced"], set(passing.names())) == (40, before)


def test_many_deletions_wait_and_are_answered(passing: Setup) -> None:
    before = set(passing.names())
    for path in pictures(passing)[:30]:
        (passing.folder / path).unlink()

    assert looked(passing)["held"] == 30
    assert set(passing.names()) == before
    (hold,) = json_of(passing, "holds")["holds"]
    assert hold["count"] == 30

    assert passing.run("restore", str(hold["hold"])).returncode == 0
    result = looked(passing)
    assert (result["held"], result["uploaded"], result["synced"]) == (0, 0, 40)
    assert len(pictures(passing)) == 40
    assert set(passing.names()) == before


def test_new_content_takes_the_place_of_the_old_image(passing: Setup) -> None:
    first, second = pictures(passing)[:2]
    old = set(passing.names())
    content = (passing.folder / second).read_bytes()
    (passing.folder / second).unlink()
    looked(passing)
    (passing.folder / first).write_bytes(content + b"")

    looked(passing)

    # The second picture's image came out of the trash, or went up again, for the first path.
    assert looked(passing)["synced"] == 39
    assert len(passing.names()) == 39
    assert len(old & in_the_trash(passing)) >= 1
