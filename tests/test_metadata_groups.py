"""Groups of a folder: names, generation data, and what stands in the way of reading them."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from boardsync.errors import FolderAway, Missing
from boardsync.formats import PNG
from boardsync.metadata import Group, groups
from generation_samples import SEED, WEBUI, png, stealth
from picture_samples import sample
from places import shared_folder, unprivileged


def picture(path: Path, seed: int | None = None) -> None:
    """Write a small picture whose generation data tells a seed, or nothing."""
    told = png({"parameters": WEBUI.replace(str(SEED), str(seed))}, "tEXt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sample(PNG) if seed is None else told)


def _names(found: list[Group]) -> list[list[str]]:
    return [[one.name for one in group.pictures] for group in found]


def test_names_tell_the_seeds_and_data_does_where_they_do_not(tmp_path: Path) -> None:
    picture(tmp_path / "1-5.png")
    picture(tmp_path / "2-6.png", 6)
    picture(tmp_path / "other.png", 7)
    picture(tmp_path / "plain.png")
    found = list(groups(tmp_path))
    assert _names(found) == [["1-5.png", "2-6.png", "other.png"], ["plain.png"]]
    first, second, other = found[0].pictures
    assert (first.source, second.source, second.other) == ("name", "name", None)
    assert (other.id, other.seed, other.source) == (None, 7, "PNG tEXt parameters: Seed")
    assert (found[1].id, found[1].first_seed, found[1].pictures[0].error) == (None, None, None)


def test_the_name_wins_over_the_data_and_the_picture_says_so(tmp_path: Path) -> None:
    picture(tmp_path / "1-5.png", 5)
    picture(tmp_path / "2-6.png", 99)
    [group] = groups(str(tmp_path))
    told = group.pictures[1]
    assert (told.seed, told.source) == (6, "name")
    assert told.other is not None
    assert (told.other.value, told.other.source) == (99, "PNG tEXt parameters: Seed")


def test_what_cannot_be_read_is_told_and_grouped_by_its_name(tmp_path: Path) -> None:
    picture(tmp_path / "1-5.png", 5)
    (tmp_path / "2-6.png").write_text("no picture")
    (tmp_path / "b.png").write_bytes(b"")
    picture(tmp_path / "c.png", 7)
    found = list(groups(os.fsencode(tmp_path)))
    assert _names(found) == [["1-5.png", "2-6.png"], ["b.png"], ["c.png"]]
    assert [one.error for group in found for one in group.pictures] == [
        None, "not a picture: no known format begins so", "the content is empty", None,
    ]  # fmt: skip


def test_a_file_that_vanishes_meanwhile_stops_nothing(tmp_path: Path) -> None:
    for name in ("1-1.png", "2-9.png", "3-10.png"):
        picture(tmp_path / name, int(name[2:-4]))
    found = groups(tmp_path)
    first = next(found)
    (tmp_path / "3-10.png").unlink()
    rest = list(found)
    assert _names([first, *rest]) == [["1-1.png"], ["2-9.png", "3-10.png"]]
    assert rest[0].pictures[1].error == "there is no such file"


def test_without_data_no_file_is_read(tmp_path: Path) -> None:
    picture(tmp_path / "1-5.png", 99)
    picture(tmp_path / "a.png", 6)
    (tmp_path / "2-6.png").write_text("no picture")
    found = list(groups(tmp_path, data=False))
    assert _names(found) == [["1-5.png", "2-6.png"], ["a.png"]]
    assert [one.error or one.other for group in found for one in group.pictures] == [None] * 3


def test_pixels_are_looked_at_only_for_names_without_a_seed(tmp_path: Path) -> None:
    hidden = stealth(WEBUI)
    for name in ("a.png", "1-5.png"):
        (tmp_path / name).write_bytes(hidden)
    named, other = groups(tmp_path)
    assert (named.pictures[0].seed, named.pictures[0].other) == (5, None)
    assert other.pictures[0].seed == SEED
    assert [group.first_seed for group in groups(tmp_path, pixels=False)] == [5, None]


def test_every_directory_is_grouped_by_itself(tmp_path: Path) -> None:
    for path in ("1-5.png", "b/2-6.png", "b/3-7.png", "b.png", "a/deep/4-8.png", "outputs/x.png"):
        picture(tmp_path / path)
    (tmp_path / "empty").mkdir()
    assert _names(list(groups(tmp_path))) == [["1-5.png"], ["b.png"]]
    found = list(groups(tmp_path, recursive=True))
    assert [(group.directory, group.number, len(group.pictures)) for group in found] == [
        ("", 1, 1), ("", 2, 1), ("a/deep", 1, 1), ("b", 1, 2), ("outputs", 1, 1),
    ]  # fmt: skip


def test_hidden_files_other_files_and_symlinks_are_left_alone(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "1-5.png")
    picture(tmp_path / "in" / ".2-6.png")
    picture(tmp_path / "out" / "3-7.png")
    (tmp_path / "in" / "2-6.txt").write_text("x")
    (tmp_path / "in" / "4-8.png").symlink_to("1-5.png")
    (tmp_path / "in" / "below").symlink_to(tmp_path / "out")
    os.mkfifo(tmp_path / "in" / "5-9.png")
    (tmp_path / "link").symlink_to("in")
    for folder in ("in", "link"):
        assert _names(list(groups(tmp_path / folder, recursive=True))) == [["1-5.png"]]


def test_a_loop_of_symlinks_ends(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1-5.png")
    (tmp_path / "a" / "up").symlink_to("..")
    assert [group.directory for group in groups(tmp_path, recursive=True)] == ["a"]


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    name = b"\xff\n.png"
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(sample(PNG))
    [group] = groups(tmp_path)
    assert os.fsencode(group.pictures[0].name) == name
    assert group.pictures[0].error is None


def test_what_names_no_folder_is_told(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    for path in ("missing", "a.png"):
        with pytest.raises(FolderAway, match=f"{path}: (missing|not a directory)"):
            next(groups(tmp_path / path))
    for name in ("a\0b", ""):
        with pytest.raises(Missing, match="no folder can have this name"):
            next(groups(name))


def test_what_may_not_be_read_or_listed_is_told() -> None:
    with shared_folder() as folder:
        for path in ("1-5.png", "2-6.png", "shut/3-7.png", "z/4-8.png"):
            picture(folder / path)
        (folder / "2-6.png").chmod(0)
        (folder / "shut").chmod(0)
        list(groups(folder))  # what is imported late is out of nobody's reach
        unlisted: list[tuple[str, str]] = []
        with unprivileged():
            found = list(groups(folder, recursive=True, unlisted=unlisted))
        (folder / "shut").chmod(0o700)
    assert _names(found) == [["1-5.png", "2-6.png"], ["4-8.png"]]
    assert found[0].pictures[1].error == "may not be read: permission denied"
    assert unlisted == [("shut", "permission denied")]


def test_many_large_directories_take_the_memory_of_one(tmp_path: Path) -> None:
    """What one directory holds is let go of before the next one is listed."""
    for directory in "abcd":
        (tmp_path / directory).mkdir()
        for number in range(2000):
            (tmp_path / directory / f"{number}-{number * 2}.png").touch()

    def peak(**options: bool) -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in groups(tmp_path / "a", data=False)) == 2000
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            folder = tmp_path if options else tmp_path / "a"
            count = sum(1 for _ in groups(folder, data=False, **options))
            assert count == (8000 if options else 2000)
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()

    assert peak(recursive=True) < 1.35 * peak()
