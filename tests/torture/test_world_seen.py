"""The eyes of the torture on real files: what is planted behind boardsync's back is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boardsync.formats import PNG
from picture_samples import sample
from torture.boards import DirectoryBoard
from torture.findings import Kind
from torture.ledger import digest_of
from torture.world import Look, World
from torture.writing import write

CONTENT = sample(PNG, seed=1)
OTHER = sample(PNG, seed=2)
THIRD = sample(PNG, seed=3)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A mirror in step: one file on the board with its mark, and one foreign picture pulled."""
    world = World(tmp_path, DirectoryBoard(tmp_path / "boards"), seed=1)
    (world.folder / "a.png").write_bytes(CONTENT)
    world.ledger.wrote("a.png", digest_of(CONTENT))
    (tmp_path / "boards" / "torture" / "a.png").write_bytes(CONTENT)
    mark(world, "a.png", CONTENT)
    world.ledger.put(world.board.put("foreign.png", OTHER, slowly=False))
    (world.folder / "outputs").mkdir()
    (world.folder / "outputs" / "foreign.png").write_bytes(OTHER)
    return world


def mark(world: World, name: str, content: bytes) -> None:
    """Leave a mark as the directory kind does: by name and digest."""
    marks = board_of(world) / ".boardsync"
    marks.mkdir(exist_ok=True)
    record = {"name": name, "digest": digest_of(content)}
    (marks / f"{name}.json").write_text(json.dumps(record))


def board_of(world: World) -> Path:
    return Path(world.board.settings()["path"]) / "torture"


def found(world: World) -> list[Kind]:
    return [finding.kind for finding in world.look().findings]


def test_a_mirror_in_step_shows_nothing(world: World) -> None:
    assert world.look() == Look([], items=2, old=0)


def test_a_second_copy_on_the_board_or_in_the_folder_is_seen(world: World) -> None:
    (board_of(world) / "a (2).png").write_bytes(CONTENT)
    assert found(world) == [Kind.DOUBLE]
    (world.folder / "outputs" / "foreign (2).png").write_bytes(OTHER)
    assert found(world) == [Kind.DOUBLE, Kind.DOUBLE]


def test_a_lost_item_is_seen_and_its_mark_that_stays_behind_too(world: World) -> None:
    (board_of(world) / "a.png").unlink()
    assert found(world) == [Kind.LOSS, Kind.LITTER]


def test_a_truncated_item_is_seen(world: World) -> None:
    (board_of(world) / "a.png").write_bytes(CONTENT[:-20])
    assert found(world) == [Kind.LOSS, Kind.STRANGER]


def test_temporary_files_on_either_side_are_seen(world: World) -> None:
    (board_of(world) / ".boardsync" / ".boardsync-tmp-1").write_bytes(b"")
    (world.folder / "outputs" / ".boardsync-tmp-2").write_bytes(b"")
    assert found(world) == [Kind.LITTER, Kind.LITTER]


def test_the_trash_is_seen_and_so_is_a_removal_that_removed_nothing(world: World) -> None:
    trash = Path(world.board.settings()["path"]) / ".boardsync" / "trash"
    (trash / "1").mkdir(parents=True)
    assert found(world) == [Kind.LITTER]
    (trash / "1" / "a.png").write_bytes(THIRD)
    assert found(world) == [Kind.STRANGER]
    world.ledger.past.add(digest_of(THIRD))
    assert found(world) == []


def test_a_foreign_picture_that_was_given_our_mark_is_seen(world: World) -> None:
    mark(world, "foreign.png", OTHER)
    assert found(world) == [Kind.STRANGER]


@pytest.mark.parametrize("slowly", [False, True])
def test_writers_leave_whole_files_and_nothing_else(tmp_path: Path, slowly: bool) -> None:
    write(tmp_path / "a.png", CONTENT, slowly=slowly)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": CONTENT}


@pytest.mark.real
def test_the_same_seed_makes_the_same_changes(tmp_path: Path) -> None:
    def files(name: str, seed: int) -> dict[str, str]:
        base = tmp_path / name
        base.mkdir()
        world = World(base, DirectoryBoard(base / "boards"), seed)
        for _ in range(3):
            world.hands.work(0.0)
        world.hands.rest()
        assert world.ledger.pictures >= 10
        return world.ledger.files

    assert files("one", 7) == files("two", 7)
    assert files("three", 8) != files("four", 9)
