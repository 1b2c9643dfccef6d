"""Uploads are never half, never over something else, never without a mark."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from boardsync.errors import Bug, ServerRefused
from boardsync.files.durable import create_temp
from boardsync.model import Board, Outcome
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.directory.names import MARKS_FOLDER
from boardsync.servers.directory.sweep import sweep
from servers.contract import picture, stored, upload_of
from servers.directory.kit import (
    DAY,
    listed,
    mark_of,
    send,
    write,
)


async def test_an_upload_carries_its_date(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = replace(upload_of(picture()), created_ms=1_600_000_000_123)
    item = await send(server, upload)
    assert item.created_ms == 1_600_000_000_123
    assert (root / "board" / item.item_id).stat().st_mtime_ns == 1_600_000_000_123 * 10**6


async def test_an_upload_below_subfolders_makes_them(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    item = await send(server, upload_of(picture(), "2024/may/a.png"))
    assert item.item_id == "2024/may/a.png"
    assert (root / "board" / "2024" / "may" / "a.png").read_bytes() == picture()


async def test_another_picture_of_the_same_name_is_never_replaced(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    theirs = write(root / "board" / "a.png", picture(1))
    item = await send(server, upload_of(picture(2), "a.png"))
    assert item.item_id == "a (2).png"
    assert theirs.read_bytes() == picture(1)


async def test_a_free_name_stays_within_what_a_filesystem_takes(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    name = "é" * 125 + ".png"
    write(root / "board" / name, picture(1))
    item = await send(server, upload_of(picture(2), name))
    assert item.item_id.endswith(" (2).png")
    assert len(os.fsencode(item.item_id)) <= 255


async def test_sending_again_under_a_numbered_name_says_that_it_existed(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    write(root / "board" / "a.png", picture(1))
    upload = upload_of(picture(2), "a.png")
    item = await send(server, upload)
    [again] = await server.upload("board", [upload])
    assert (again.outcome, again.item) == (Outcome.EXISTED, item)
    assert await listed(server) == ["a (2).png", "a.png"]


async def test_the_very_picture_that_lies_there_unmarked_is_adopted(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    theirs = write(root / "board" / "a.png", picture())
    before = theirs.stat()
    upload = upload_of(picture(), "a.png")
    [result] = await server.upload("board", [upload])
    assert result.outcome is Outcome.EXISTED
    assert await mark_of(server, "a.png") == upload.mark
    after = theirs.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_directory_or_link_of_the_same_name_is_left_alone(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    (root / "board" / "a.png").mkdir()
    (root / "board" / "b.png").symlink_to("nowhere.png")
    assert (await send(server, upload_of(picture(1), "a.png"))).item_id == "a (2).png"
    assert (await send(server, upload_of(picture(2), "b.png"))).item_id == "b (2).png"
    assert not (root / "board" / "nowhere.png").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../a.png",
        "/a.png",
        "a//b.png",
        ".a.png",
        ".x/a.png",
        "a.txt",
        "",
        "x" * 256 + ".png",
        "\0.png",
    ],
)
async def test_an_upload_that_could_not_be_an_item_is_refused(
    server: DirectoryServer, root: Path, board: Board, name: str
) -> None:
    before = sorted(root.rglob("*"))
    [result] = await server.upload("board", [upload_of(picture(), name)])
    assert result.outcome is Outcome.REFUSED
    assert isinstance(result.error, ServerRefused)
    assert sorted(root.rglob("*")) == before


async def test_an_upload_never_goes_through_a_link(
    server: DirectoryServer, root: Path, board: Board, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "board" / "linked").symlink_to(outside, target_is_directory=True)
    [result] = await server.upload("board", [upload_of(picture(), "linked/a.png")])
    assert result.outcome is Outcome.REFUSED
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["taken/a.png", "taken/deep/er/a.png"])
async def test_an_upload_below_what_is_no_directory_is_refused_in_words(
    server: DirectoryServer, root: Path, board: Board, name: str
) -> None:
    taken = write(root / "board" / "taken", b"a file of somebody else")
    refused, other = await server.upload(
        "board", [upload_of(picture(), name), upload_of(picture())]
    )
    assert (refused.outcome, other.outcome) == (Outcome.REFUSED, Outcome.STORED)
    assert isinstance(refused.error, ServerRefused)
    assert str(refused.error).startswith(f"{taken} is there and is no directory")
    assert taken.read_bytes() == b"a file of somebody else"
    taken.unlink()
    assert (await send(server, upload_of(picture(), name))).item_id == name


@pytest.mark.parametrize("target", [None, "nowhere", "outside"])
async def test_what_has_the_name_of_the_marks_folder_stops_the_uploads_beside_it_only(
    server: DirectoryServer, root: Path, board: Board, target: str | None
) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    theirs = write(root / "board" / "sub" / "b.png", picture(2))
    obstacle = theirs.parent / MARKS_FOLDER
    if target is None:
        obstacle.write_bytes(b"a file of somebody else")
    else:
        obstacle.symlink_to(root.parent / target)
    refused, other = await server.upload(
        "board", [upload_of(picture(), "sub/a.png"), upload_of(picture(3), "c.png")]
    )
    assert (refused.outcome, other.outcome) == (Outcome.REFUSED, Outcome.STORED)
    assert str(refused.error).startswith(f"{obstacle} is there and is no directory")
    assert await listed(server) == ["c.png", "sub/b.png"]
    assert await mark_of(server, "sub/b.png") is None
    assert [item.item_id for item in await server.find(upload_of(picture(3)).mark.token)] == [
        "c.png"
    ]
    assert list(outside.iterdir()) == []


async def test_a_cut_off_picture_is_refused(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    [result] = await server.upload("board", [upload_of(picture()[:-20])])
    assert result.outcome is Outcome.REFUSED
    assert await listed(server) == []


async def test_a_batch_above_the_limit_is_a_bug(server: DirectoryServer, board: Board) -> None:
    with pytest.raises(Bug):
        await server.upload("board", [upload_of(picture())] * 33)


async def test_old_leftovers_are_swept_and_marks_of_items_never(root: Path) -> None:
    now = root.stat().st_mtime_ns
    server = DirectoryServer("nas", root, clock_ns=lambda: now + 2 * DAY)
    await server.create_board("board")
    kept = upload_of(picture(1), "kept.png")
    await send(server, kept)
    await send(server, upload_of(picture(2), "gone.png"))
    (root / "board" / "gone.png").unlink()
    marks = root / "board" / MARKS_FOLDER
    (marks / ".boardsync-tmp-0123456789abcdef").write_bytes(b"half")
    (marks / "notes.txt").write_bytes(b"a person's")

    restarted = DirectoryServer("nas", root, clock_ns=lambda: now + 2 * DAY)
    await send(restarted, upload_of(picture(3), "new.png"))
    assert len(list(marks.glob("*.json"))) == 2
    assert not list(marks.glob(".boardsync-tmp-*"))
    assert (marks / "notes.txt").exists()
    assert await mark_of(restarted, "kept.png") == kept.mark


async def test_a_mark_whose_file_was_renamed_is_kept_while_its_item_is_there(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    await send(server, upload_of(picture()))
    marks = root / "board" / MARKS_FOLDER
    [mark] = marks.glob("*.json")
    mark.rename(marks / "0123456789abcdef-0123456789abcdef.json")
    later = time.time_ns() + 2 * DAY
    assert sweep(str(root / "board"), later) == 0
    (root / "board" / "picture.png").unlink()
    assert sweep(str(root / "board"), later) == 1


async def test_daemons_that_fight_for_a_name_lose_no_picture(root: Path, board: Board) -> None:
    servers = [DirectoryServer("nas", root) for _ in range(4)]
    uploads = [upload_of(picture(number), "same.png") for number in range(1, 25)]
    results = await asyncio.gather(
        *(servers[number % 4].upload("board", [upload]) for number, upload in enumerate(uploads))
    )
    items = [stored(result) for [result] in results]
    assert sorted(item.item_id for item in items) == await listed(servers[0])
    marks = await servers[0].marks("board", [item.item_id for item in items])
    assert [marks[item.item_id] for item in items] == [upload.mark for upload in uploads]
    left = os.listdir(root / "board" / MARKS_FOLDER)
    assert len(left) == len(uploads)


async def test_what_somebody_writes_is_theirs_and_what_nobody_writes_goes_at_once(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    marks = root / "board" / MARKS_FOLDER
    marks.mkdir()
    stream, path = create_temp(marks)
    (marks / ".boardsync-tmp-0123456789abcdef").write_bytes(b"of a killed upload")
    with stream:
        await send(server, upload_of(picture()))
        later = time.time_ns() + 2 * DAY
        assert sweep(str(root / "board"), later) == 0
        assert list(marks.glob(".boardsync-tmp-*")) == [Path(os.fsdecode(path))]
    assert sweep(str(root / "board"), time.time_ns()) == 1


async def test_without_locks_fresh_leftovers_are_left_to_whoever_writes_them(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    marks = root / "board" / MARKS_FOLDER
    marks.mkdir()
    # What cannot be opened cannot be locked.
    (marks / ".boardsync-tmp-0123456789abcdef").symlink_to("nowhere")
    await send(server, upload_of(picture()))
    assert sweep(str(root / "board"), time.time_ns()) == 0
    assert sweep(str(root / "board"), time.time_ns() + 2 * DAY) == 1


async def test_daemons_with_the_same_picture_make_one_item_that_keeps_its_mark(
    root: Path, board: Board
) -> None:
    servers = [DirectoryServer("nas", root) for _ in range(4)]
    for number in range(1, 21):
        upload = upload_of(picture(number), f"p{number}.png")
        results = await asyncio.gather(*(one.upload("board", [upload]) for one in servers))
        found = [result.item.item_id for [result] in results if result.item is not None]
        assert found == [f"p{number}.png"] * 4
        marks = await servers[0].marks("board", [f"p{number}.png"])
        assert marks == {f"p{number}.png": upload.mark}
    assert len(await listed(servers[0])) == 20
