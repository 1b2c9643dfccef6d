"""Files that rot on the disk: found, told, never sent, and mended from the board."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine import report
from boardsync.engine.again import again
from boardsync.engine.mend import mend
from boardsync.engine.rehash import rehash
from boardsync.engine.why import why
from boardsync.state import observations, rot
from engine.world import World, picture, world


def spoil(path: Path, at: int = 100) -> bytes:
    """Change a byte as a failing disk does: no time of the file tells. Returns what it holds.

    A ctime cannot be set; the record is made to fit it by `believe`.
    """
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    told = path.stat()
    with path.open("r+b") as stream:
        stream.write(content)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    return bytes(content)


async def believe(here: World, *names: str) -> None:
    """Let the state know the files' present times, as if nothing had changed them."""
    for name in names:
        told = (here.folder / name).stat()
        values = {"ctime": told.st_ctime_ns, "path": name.encode()}
        await here.state.write(
            lambda c, values=values: c.exec_driver_sql(
                "UPDATE file SET ctime_ns = :ctime WHERE path = :path", values
            )
        )


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        made.settings["schedule"] = {"rehash_share": 1.0}
        await made.restart()
        for seed in range(4):
            made.write(f"{seed}.png", seed=seed)
        await made.look()
        # Later than any clock's granularity: what was hashed then is known for certain.
        made.clock.skip(60.0)
        await rehash(made.assembly)
        yield made


async def let_rot(here: World, name: str = "1.png") -> bytes:
    content = spoil(here.folder / name)
    await believe(here, name)
    return content


def told(here: World) -> dict[str, object]:
    [mirror] = report.status(here.assembly.settings, here.state)["mirrors"]
    return mirror


async def sent_again(here: World) -> int:
    """Make some full passes; return how many uploads they made."""
    before = here.server.calls["upload"]
    for worker in here.assembly.workers.values():
        worker.hint_everything("full rescan")
    for _ in range(2):
        await here.look()
    return here.server.calls["upload"] - before


async def test_sound_files_are_read_and_nothing_is_said(here: World) -> None:
    await rehash(here.assembly)
    assert (told(here)["rotten"], told(here)["condition"]) == (0, "synced")
    assert await sent_again(here) == 0


async def test_a_rotten_file_is_told_and_its_item_stays_the_good_copy(
    here: World, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = await let_rot(here)
    before = here.contents()

    await rehash(here.assembly)
    await rehash(here.assembly)

    status = told(here)
    assert (status["rotten"], status["synced"], status["condition"]) == (1, 3, "incomplete")
    assert [one["path"] for one in status["rot"]] == ["1.png"]
    assert capsys.readouterr().out.count("a file has rotted") == 1
    [words] = [one["verdict"] for one in why(here.assembly.settings, here.state, "1.png")]
    assert words.startswith("rotten: ")
    assert await sent_again(here) == 0
    assert (here.contents(), here.local()["1.png"]) == (before, spoilt)


async def test_what_is_known_to_be_rotten_stays_that_when_it_is_touched_renamed_or_copied(
    here: World,
) -> None:
    spoilt = await let_rot(here)
    await rehash(here.assembly)
    before = here.contents()
    (here.folder / "1.png").chmod(0o640)
    os.utime(here.folder / "1.png")
    assert await sent_again(here) == 0
    (here.folder / "1.png").rename(here.folder / "renamed.png")
    assert await sent_again(here) == 0
    here.write("copy.png", spoilt)
    assert await sent_again(here) == 0
    assert here.contents() == before
    assert [one["path"] for one in told(here)["rot"]] == ["copy.png", "renamed.png"]


async def test_what_is_left_of_several_pictures_is_known_by_its_path_alone(here: World) -> None:
    for name in ("1.png", "2.png"):
        path = here.folder / name
        path.write_bytes(bytes(path.stat().st_size))
    same = {(here.folder / name).stat().st_size for name in ("1.png", "2.png")}
    size = max(same)
    for name in ("1.png", "2.png"):
        (here.folder / name).write_bytes(bytes(size))
        told_of = (here.folder / name).stat()
        values = {"mtime": told_of.st_mtime_ns, "ctime": told_of.st_ctime_ns, "size": size,
                  "inode": told_of.st_ino, "path": name.encode()}  # fmt: skip
        await here.state.write(
            lambda c, values=values: c.exec_driver_sql(
                "UPDATE file SET mtime_ns = :mtime, ctime_ns = :ctime, size = :size,"
                " inode = :inode, hashed_ns = :mtime + 100000000000 WHERE path = :path",
                values,
            )
        )
    await rehash(here.assembly)
    assert told(here)["rotten"] == 2
    (here.folder / "1.png").chmod(0o640)
    (here.folder / "2.png").rename(here.folder / "renamed.png")
    before = here.contents()
    assert await sent_again(here) == 0
    assert here.contents() == before
    mirror = here.assembly.mirrors[0]
    with here.state.read() as connection:
        held = observations.find_file(connection, mirror.number, b"1.png")
        moved = observations.find_file(connection, mirror.number, b"renamed.png")
    assert held is not None
    assert moved is not None
    assert held.digest == hashlib.sha256(picture(1)).hexdigest()
    assert moved.digest == hashlib.sha256(bytes(size)).hexdigest()


async def test_an_edit_of_a_rotten_file_is_an_edit(here: World) -> None:
    await let_rot(here)
    await rehash(here.assembly)
    here.write("1.png", seed=50)
    assert await sent_again(here) == 1
    assert picture(50) in here.contents()
    assert told(here)["rotten"] == 0


async def test_again_takes_the_bytes_as_they_are(here: World) -> None:
    here.write("1.png", picture(9) + b"\0" * 10)
    await here.look()
    here.clock.skip(60.0)
    await rehash(here.assembly)
    spoilt = spoil(here.folder / "1.png", at=-3)  # behind the picture: it can still be read
    await believe(here, "1.png")
    await rehash(here.assembly)
    assert told(here)["rotten"] == 1
    words = await again(here.assembly.mirrors[0], "1.png")
    assert "what it holds counts as its content from now on" in words
    assert await sent_again(here) == 1
    assert spoilt in here.contents()
    assert told(here)["rotten"] == 0


async def test_mend_fetches_the_item_and_puts_the_rotten_file_into_the_trash(
    here: World,
) -> None:
    spoilt = await let_rot(here)
    before = here.contents()
    [words] = await mend(here.assembly, str(here.folder / "1.png"))
    assert words.done, words
    here.clock.skip(60.0)
    await here.look()
    assert here.local()["1.png"] == picture(1)
    assert [path.read_bytes() for path in here.base.rglob(".boardsync-trash/**/1.png")] == [spoilt]
    assert await sent_again(here) == 0
    assert here.contents() == before
    assert (told(here)["rotten"], told(here)["synced"]) == (0, 4)


async def test_mend_leaves_a_sound_file_alone_and_says_when_no_board_has_its_picture(
    here: World,
) -> None:
    [words] = await mend(here.assembly, "2.png")
    assert (words.done, "nothing to mend" in words.words) == (False, True)
    assert await mend(here.assembly, "unknown.png") == []
    here.write("3.png", seed=30)
    [words] = await mend(here.assembly, "3.png")
    assert (words.done, words.later, "has changed" in words.words) == (False, True, True)
    (here.folder / "0.png").unlink()
    [words] = await mend(here.assembly, "0.png")
    assert (words.done, words.later, "cannot be read" in words.words) == (False, True, True)
    await let_rot(here)
    [item] = [one for one in here.items() if here.server._stored[one.item_id].content == picture(1)]
    here.server.remove(item.item_id)
    for _ in range(3):
        here.clock.skip(120.0)
        await here.look()
    [words] = await mend(here.assembly, "1.png")
    assert (words.done, "no board has its picture" in words.words) == (False, True)


async def test_a_file_that_heals_is_forgotten(here: World) -> None:
    await let_rot(here)
    await rehash(here.assembly)
    spoil(here.folder / "1.png")  # the same byte again
    await believe(here, "1.png")
    await rehash(here.assembly)
    assert (told(here)["rotten"], told(here)["condition"]) == (0, "synced")


async def test_a_change_that_the_clock_could_not_show_is_an_edit_and_no_rot(here: World) -> None:
    here.write("new.png", seed=20)
    await here.look()
    here.write("new.png", seed=21)
    await believe(here, "new.png")
    told_of = (here.folder / "new.png").stat()
    await here.state.write(
        lambda c: c.exec_driver_sql(
            "UPDATE file SET hashed_ns = :at, mtime_ns = :at, size = :size WHERE path = 'new.png'",
            {"at": told_of.st_mtime_ns, "size": told_of.st_size},
        )
    )
    await rehash(here.assembly)
    assert told(here)["rotten"] == 0
    assert await sent_again(here) == 1
    assert picture(21) in here.contents()


async def test_each_time_a_share_is_read_the_longest_unread_first(here: World) -> None:
    here.settings["schedule"] = {"rehash_share": 0.25}
    await here.restart()
    mirror = here.assembly.mirrors[0]
    seen = []
    for _ in range(4):
        with here.state.read() as connection:
            [first] = rot.longest_unread(connection, mirror.number, 1)
        seen.append(first.path)
        here.clock.skip(1.0)
        await rehash(here.assembly)
    assert sorted(seen) == [f"{seed}.png".encode() for seed in range(4)]


async def test_a_share_of_nothing_reads_nothing(here: World) -> None:
    here.settings["schedule"] = {"rehash_share": 0.0}
    await here.restart()
    await let_rot(here)
    await rehash(here.assembly)
    assert told(here)["rotten"] == 0
