"""The index follows a folder: what comes, changes, moves and goes, whatever lies in it."""

from __future__ import annotations

import os
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from boardsync.errors import FolderAway
from boardsync.formats import PNG
from boardsync.index import follow, reading
from boardsync.index.records import Place
from boardsync.index.refresh import Refreshed
from generation_samples import NEGATIVE, SEED, png, samples, text_chunk, with_chunks
from index.index_kit import Indexed, parameters
from picture_samples import chunk, raw_png, sample
from places import shared_folder, unprivileged


@pytest.fixture
def indexed(tmp_path: Path) -> Indexed:
    return Indexed(tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that are opened from here on."""
    names: list[str] = []

    def noting(path: bytes, **options: bool) -> object:
        names.append(os.path.basename(os.fsdecode(path)))
        return read(path, **options)

    read = reading.read
    monkeypatch.setattr(reading, "read", noting)
    return names


def counts(done: Refreshed) -> tuple[int, int, int, int]:
    """Return how many are there, new or changed, gone, and were opened."""
    return done.looked.files, done.looked.changed, done.looked.gone, done.read.read


def test_only_what_is_new_or_changed_is_opened(indexed: Indexed, opened: list[str]) -> None:
    for number in range(3):
        indexed.picture(f"{number}.png", "a cat", number)
    assert counts(indexed.refresh()) == (3, 3, 0, 3)
    assert counts(indexed.refresh()) == (3, 0, 0, 0)
    indexed.picture("1.png", "a dog", 9)
    indexed.picture("new.png", "a bird")
    opened.clear()
    assert counts(indexed.refresh()) == (4, 2, 0, 2)
    assert sorted(opened) == ["1.png", "new.png"]
    assert (indexed.names("cat"), indexed.names("seed:9")) == (["0.png", "2.png"], ["1.png"])


def test_what_lies_in_a_renamed_folder_keeps_what_was_read(
    indexed: Indexed, opened: list[str]
) -> None:
    indexed.picture("a/1.png", "a cat")
    indexed.picture("a/2.png", "a dog")
    indexed.refresh()
    opened.clear()
    (indexed.folder / "a").rename(indexed.folder / "b")
    done = indexed.refresh()
    assert (counts(done), done.looked.known, opened) == ((2, 2, 2, 0), 2, [])
    assert [hit.name.removeprefix(f"{indexed.folder}/") for hit in indexed.hits("cat")] == [
        "b/1.png",
    ]  # fmt: skip


def test_another_picture_with_the_inode_size_and_time_of_one_is_read(indexed: Indexed) -> None:
    path = indexed.write("a.png", plain("a cat"))
    before = path.stat()
    indexed.refresh()
    other = path.rename(indexed.folder / "b.png")
    rewrite_unseen(other, "a dog", before)
    indexed.refresh()
    assert (indexed.names("cat"), indexed.names("dog")) == ([], ["b.png"])


def test_a_picture_with_the_inode_of_one_on_another_disk_is_read(
    indexed: Indexed, opened: list[str]
) -> None:
    indexed.picture("a/1.png", "a cat")
    indexed.refresh()
    indexed.using(lambda index: index.tell("UPDATE file SET device = device + 1"))
    (indexed.folder / "a").rename(indexed.folder / "b")
    opened.clear()
    indexed.refresh()
    assert opened == ["1.png"]


def test_a_picture_that_was_changed_in_place_with_its_time_set_back_is_read(
    indexed: Indexed,
) -> None:
    path = indexed.write("a.png", plain("a cat"))
    indexed.refresh()
    rewrite_unseen(path, "a dog", path.stat())
    assert counts(indexed.refresh()) == (1, 1, 0, 1)
    assert (indexed.names("cat"), indexed.names("dog")) == ([], ["a.png"])


def plain(prompt: str) -> bytes:
    """Return a picture whose size only tells how long its prompt is."""
    return with_chunks(text_chunk("parameters", parameters(prompt), "tEXt"))


def rewrite_unseen(path: Path, prompt: str, before: os.stat_result) -> None:
    """Give a picture another prompt, so that size, inode and time of change stay as they were."""
    path.write_bytes(plain(prompt))
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_ino) == (before.st_size, before.st_ino)


def test_what_is_gone_leaves_with_its_words(indexed: Indexed) -> None:
    indexed.picture("a.png", "a cat")
    indexed.picture("b.png", "a cat")
    indexed.picture("c.png", "a dog")
    indexed.refresh()
    tellings = "SELECT count(*) FROM telling"
    assert indexed.using(lambda index: index.ask(tellings)) == [(2,)]
    (indexed.folder / "a.png").unlink()
    (indexed.folder / "c.png").unlink()
    assert counts(indexed.refresh()) == (1, 0, 2, 0)
    assert (indexed.names(), indexed.names("dog")) == (["b.png"], [])
    assert indexed.using(lambda index: index.ask(tellings)) == [(1,)]
    check = "INSERT INTO word (word, rank) VALUES ('integrity-check', 1)"
    indexed.using(lambda index: index.tell(check))


def test_a_folder_that_is_away_takes_nothing_along(indexed: Indexed, tmp_path: Path) -> None:
    indexed.picture("a.png", "a cat")
    indexed.refresh()
    indexed.folder.rename(tmp_path / "away")
    with pytest.raises(FolderAway, match="missing"):
        indexed.refresh()
    indexed.folder.mkdir()
    with pytest.raises(FolderAway, match="another folder than the one that was indexed"):
        indexed.refresh()
    assert indexed.names("cat") == ["a.png"]
    indexed.folder.rmdir()
    (tmp_path / "away").rename(indexed.folder)
    (indexed.folder / "a.png").unlink()
    assert counts(indexed.refresh()) == (0, 0, 1, 0)


def test_what_cannot_be_listed_stays_and_what_cannot_be_read_says_why() -> None:
    with shared_folder() as base:
        indexed = Indexed(base)
        base.chmod(0o777)
        indexed.picture("shut/a.png", "a cat")
        indexed.picture("b.png", "a cat")
        indexed.folder.chmod(0o755)
        (indexed.folder / "b.png").chmod(0)
        with unprivileged():
            assert counts(indexed.refresh()) == (2, 2, 0, 2)
            [unread] = indexed.hits("path:b.png")
            assert (unread.prompt, unread.trouble) == (None, "may not be read: permission denied")
        (indexed.folder / "b.png").chmod(0o644)
        (indexed.folder / "shut").chmod(0)
        with unprivileged():
            done = indexed.refresh()
            assert (counts(done), done.unlisted) == (
                (1, 1, 0, 1), [(b"shut", "permission denied")],
            )  # fmt: skip
            assert indexed.names("cat") == ["a.png", "b.png"]
        (indexed.folder / "shut").chmod(0o755)


def test_a_picture_that_was_just_written_is_read_once_more(
    indexed: Indexed, opened: list[str]
) -> None:
    path = indexed.picture("a.png", "a cat")
    os.utime(path)
    indexed.refresh()
    os.utime(path, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    assert (counts(indexed.refresh())[3], len(opened)) == (1, 2)


def test_another_reader_reads_everything_anew(
    indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed.picture("a.png", "a cat")
    indexed.refresh()
    for module in ("database", "follow", "reading"):
        monkeypatch.setattr(f"boardsync.index.{module}.READER", 2)
    assert (indexed.names("cat"), indexed.standing().unread) == (["a.png"], 1)
    assert counts(indexed.refresh()) == (1, 0, 0, 1)
    assert indexed.standing().unread == 0


def test_every_software_is_found_by_what_it_tells(indexed: Indexed) -> None:
    made = samples()
    for number, one in enumerate(made):
        indexed.write(f"{number}.png", one.content)
    indexed.refresh()
    assert len(indexed.names(f"seed:{SEED}")) > len(made) * 0.8
    assert len(indexed.names(f'negative:"{NEGATIVE}"')) > len(made) * 0.8
    assert len(indexed.names("software:comfyui")) >= 5
    assert len(indexed.names("lora:waves_v2*")) >= 10


def test_hostile_files_are_told_and_keep_nobody_waiting(indexed: Indexed) -> None:
    deep = '{"a":' * 100_000
    bomb = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"x" * 50_000_000))
    hostile = {
        "deep.png": png({"prompt": deep, "workflow": deep}),
        "bomb.png": with_chunks(bomb),
        "long.png": with_chunks(text_chunk("parameters", parameters("word " * 400_000), "tEXt")),
        "huge.png": raw_png(30_000, 30_000, 8, 2, b"\0" * 1000),
        "cut.png": sample(PNG)[:40],
        "empty.png": b"",
        "text.png": b"no picture",
        "seed.png": png({"parameters": parameters("odd", 10**39)}),
        "nul.png": png({"parameters": parameters("nu\0l \ud7ff")}),
    }
    for name, content in hostile.items():
        indexed.write(name, content)
    os.mkfifo(indexed.folder / "fifo.png")
    (indexed.folder / "link.png").symlink_to("/dev/zero")
    done = indexed.refresh()
    assert counts(done)[0] == len(hostile)
    assert indexed.standing().unread == 0
    troubled = {os.path.basename(hit.name): hit.trouble for hit in indexed.hits() if hit.trouble}
    assert troubled["text.png"] == "not a picture: no known format begins so"
    assert troubled["empty.png"] == "the content is empty"
    [long] = indexed.hits("path:long.png word")
    assert len(long.prompt or "") == reading.LONGEST_PROMPT
    assert indexed.hits("path:seed.png")[0].seed == 10**39
    assert indexed.path.stat().st_size < 2_000_000


def test_a_fifo_that_takes_a_pictures_place_is_not_waited_for(
    indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = indexed.picture("a.png", "a cat")
    look = follow.look

    def swapping(*arguments: object, **more: object) -> object:
        looked = look(*arguments, **more)  # type: ignore[arg-type]
        path.unlink()
        os.mkfifo(path)
        return looked

    monkeypatch.setattr(follow, "look", swapping)
    indexed.refresh()
    assert indexed.names() == []


def test_mirrors_that_are_none_any_more_leave_and_folders_of_nobody_stay(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "f").mkdir()
    mirror, other = Indexed(tmp_path / "m", "References"), Indexed(tmp_path / "f")
    mirror.path = other.path
    for one in (mirror, other):
        one.picture("a.png", "a cat")
        one.refresh()
    assert len(other.names("cat")) == 2
    assert len(other.search(mirror="references").hits) == 1
    other.using(lambda index: follow.forget_others(index, []))
    assert [hit.mirror for hit in other.hits("cat")] == [None]
    place = Place(os.path.realpath(os.fsencode(other.folder)), "Now a mirror")
    other.using(lambda index: follow.enter(index, place))
    assert [hit.mirror for hit in other.hits("cat")] == ["Now a mirror"]


def test_many_processes_may_follow_the_same_folder_at_once(indexed: Indexed) -> None:
    for number in range(60):
        indexed.picture(f"{number}.png", f"cat {number}", number)
    start = threading.Barrier(4)

    def work(_: int) -> None:
        start.wait()
        indexed.refresh()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert len(indexed.names("cat")) == 60
    assert counts(indexed.refresh()) == (60, 0, 0, 0)
    tellings = "SELECT count(*) FROM telling"
    assert indexed.using(lambda index: index.ask(tellings)) == [(60,)]


def test_a_file_that_changes_between_look_and_reading_is_recorded_as_it_was_read(
    indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed.picture("a.png", "a cat")
    look = follow.look

    def changing(*arguments: object, **more: object) -> object:
        looked = look(*arguments, **more)  # type: ignore[arg-type]
        indexed.picture("a.png", "a dog and a bird")
        return looked

    monkeypatch.setattr(follow, "look", changing)
    indexed.refresh()
    monkeypatch.setattr(follow, "look", look)
    assert (indexed.names("cat"), indexed.names("dog")) == ([], ["a.png"])
    assert counts(indexed.refresh()) == (1, 0, 0, 0)


def test_a_folder_within_another_is_told_once(tmp_path: Path) -> None:
    outer = Indexed(tmp_path)
    inner = Indexed(outer.folder, "Inner")
    inner.path = outer.path
    inner.picture("a.png", "a cat")
    outer.picture("b.png", "a cat")
    outer.refresh()
    assert outer.names("cat") == ["a.png", "b.png"]
    inner.refresh()
    assert sorted((hit.mirror or "", hit.name[-5:]) for hit in outer.hits("cat")) == [
        ("", "b.png"), ("Inner", "a.png"),
    ]  # fmt: skip
    for below, count in ((inner.folder, 1), (outer.folder, 2), (tmp_path, 2), (tmp_path / "x", 0)):
        assert len(outer.search("cat", below=os.fsencode(below)).hits) == count


def test_what_is_read_again_leaves_no_words_behind(indexed: Indexed) -> None:
    for word in ("cat", "dog", "bird"):
        indexed.picture("a.png", f"a {word}")
        indexed.refresh()
    assert (indexed.names("cat"), indexed.names("bird")) == ([], ["a.png"])
    assert indexed.using(lambda index: index.ask("SELECT count(*) FROM telling")) == [(1,)]
