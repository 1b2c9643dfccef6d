"""The directory kind keeps the contract, and what only files can get wrong it gets right."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from boardsync.errors import (
    BoardMissing,
    Bug,
    FileChanging,
    ItemMissing,
    NotAuthorised,
    PictureRefused,
    ServerRefused,
    ServerUnreachable,
)
from boardsync.formats import BMP, JPEG
from boardsync.model import Board, Item, Mark, Outcome, Upload
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.directory.names import MARKS_FOLDER
from boardsync.servers.directory.root import MARKER
from boardsync.servers.directory.tree import Scandir
from boardsync.servers.directory.trouble import classify
from boardsync.servers.directory.versions import devices_without_inodes
from boardsync.servers.port import BoardId
from boardsync.servers.wrappers import Pauses, Policy, compose
from picture_samples import sample
from servers.contract import Kind, ServerContract, picture, stored, upload_of
from servers.meters import Meters

HOUR = 3600 * 10**9
DAY = 24 * HOUR


def write(path: Path, content: bytes, age_ns: int = HOUR) -> Path:
    """Write a file as another program does, and let it be as old as that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    moment = path.stat().st_mtime_ns - age_ns
    os.utime(path, ns=(moment, moment))
    return path


def spoil(path: Path) -> None:
    """Lose a file's bytes as a failing disk does: nothing that `stat` shows changes."""
    before = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"\0" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def directory_kind(root: Path) -> Kind:
    root.mkdir()
    server = DirectoryServer("directory", root)

    async def put(board_id: BoardId, name: str, content: bytes) -> str:
        write(root / str(board_id) / name, content)
        return name

    async def ghost(board_id: BoardId, upload: Upload) -> Item:
        [result] = await server.upload(board_id, [upload])
        item = stored(result)
        spoil(root / str(board_id) / item.item_id)
        return item

    return Kind(server, put, ghost, searches=False)


class TestDirectory(ServerContract):
    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return directory_kind(tmp_path / "root")


class TestDirectoryComposed(ServerContract):
    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        kind = directory_kind(tmp_path / "root")
        policy = Policy(pauses=Pauses(first=0.0, jitter=0.0))
        kind.server = compose(kind.server, policy, Meters())
        return kind


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def server(root: Path) -> DirectoryServer:
    return DirectoryServer("nas", root)


@pytest.fixture
async def board(server: DirectoryServer) -> Board:
    return await server.create_board("board")


async def send(server: DirectoryServer, upload: Upload, board_id: str = "board") -> Item:
    [result] = await server.upload(board_id, [upload])
    return stored(result)


async def listed(server: DirectoryServer, board_id: str = "board") -> list[str]:
    listing = await server.listing(board_id)
    assert listing.entries is not None
    return [entry.item_id for entry in listing.entries]


async def mark_of(server: DirectoryServer, item_id: str, board_id: str = "board") -> Mark | None:
    return (await server.marks(board_id, [item_id]))[item_id]


# Whose directory is this: mounts and markers


async def test_a_missing_root_is_away_and_not_created(tmp_path: Path) -> None:
    server = DirectoryServer("nas", tmp_path / "absent")
    with pytest.raises(ServerUnreachable, match="mount its disk, or create it"):
        await server.boards()
    with pytest.raises(ServerUnreachable):
        await server.create_board("board")
    assert not (tmp_path / "absent").exists()


async def test_the_first_use_leaves_the_marker(server: DirectoryServer, root: Path) -> None:
    assert await server.boards() == []
    assert (root / MARKER).is_file()


async def test_a_root_that_lost_its_marker_is_away_and_gets_no_boards(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    shutil.rmtree(root)
    root.mkdir()
    for call in (
        server.boards(),
        server.listing(board.board_id),
        server.items(board.board_id, ["a.png"]),
        server.find("bsk"),
        server.create_board("board"),
        server.upload(board.board_id, [upload_of(picture())]),
        server.probe(),
    ):
        with pytest.raises(ServerUnreachable, match="not to be mounted"):
            await call
    assert list(root.iterdir()) == []


async def test_a_disk_that_comes_back_is_used_again(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    await send(server, upload_of(picture()))
    root.rename(root.with_name("away"))
    with pytest.raises(ServerUnreachable):
        await server.listing("board")
    root.with_name("away").rename(root)
    assert await listed(server) == ["picture.png"]


async def test_a_new_process_that_knows_the_server_distrusts_an_empty_directory(
    root: Path,
) -> None:
    with pytest.raises(ServerUnreachable):
        await DirectoryServer("nas", root, used_before=True).boards()
    assert list(root.iterdir()) == []


async def test_a_directory_with_pictures_of_others_can_be_used(root: Path) -> None:
    write(root / "holiday" / "sea.png", picture())
    server = DirectoryServer("nas", root)
    assert [board.board_id for board in await server.boards()] == ["holiday"]
    assert await listed(server, "holiday") == ["sea.png"]


# Boards


async def test_hidden_directories_files_and_links_are_no_boards(
    server: DirectoryServer, root: Path, tmp_path: Path
) -> None:
    for name in (".hidden", "lost+found", "@eaDir", "#recycle"):
        (root / name).mkdir()
    (root / "link").symlink_to(tmp_path, target_is_directory=True)
    write(root / "loose.png", picture())
    assert await server.boards() == []
    for name in (".hidden", "link", "loose.png", "..", "."):
        with pytest.raises(BoardMissing):
            await server.listing(name)


async def test_boards_are_listed_by_name(server: DirectoryServer) -> None:
    for name in ("b", "c", "a"):
        await server.create_board(name)
    assert [board.name for board in await server.boards()] == ["a", "b", "c"]


async def test_a_board_that_is_there_already_is_returned(
    server: DirectoryServer, board: Board
) -> None:
    await send(server, upload_of(picture()))
    assert await server.create_board("board") == board
    assert await listed(server) == ["picture.png"]


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "nul\0", "x" * 256, "\ud800"])
async def test_a_name_that_cannot_be_a_board_is_refused_in_words(
    server: DirectoryServer, name: str
) -> None:
    with pytest.raises(ServerRefused, match="choose another name"):
        await server.create_board(name)


async def test_a_file_in_a_boards_place_is_refused_in_words(
    server: DirectoryServer, root: Path
) -> None:
    (root / "taken").write_bytes(b"")
    with pytest.raises(ServerRefused, match="no directory"):
        await server.create_board("taken")


async def test_uncategorized_does_not_exist_here(server: DirectoryServer) -> None:
    with pytest.raises(BoardMissing):
        await server.listing(None)


# Listings


async def test_pictures_at_any_depth_are_items_and_nothing_else(
    server: DirectoryServer, root: Path, board: Board, tmp_path: Path
) -> None:
    base = root / "board"
    for name in ("top.png", "sub/deep/er.JPG", "sub/b.webp"):
        write(base / name, picture())
    for name in ("notes.txt", ".hidden.png", ".cache/a.png", ".boardsync-tmp-1.png", "noext"):
        write(base / name, picture())
    outside = write(tmp_path / "outside" / "secret.png", picture())
    (base / "link.png").symlink_to(outside)
    (base / "linked").symlink_to(outside.parent, target_is_directory=True)
    os.mkfifo(base / "pipe.png")
    assert await listed(server) == ["sub/b.webp", "sub/deep/er.JPG", "top.png"]


async def test_an_item_cannot_be_reached_outside_its_board(
    server: DirectoryServer, root: Path, board: Board, tmp_path: Path
) -> None:
    outside = write(tmp_path / "outside" / "secret.png", picture())
    write(root / "other" / "theirs.png", picture())
    (root / "board" / "link.png").symlink_to(outside)
    (root / "board" / "linked").symlink_to(outside.parent, target_is_directory=True)
    ids = ["link.png", "linked/secret.png", "../other/theirs.png", str(outside), "", "a\0.png"]
    assert await server.items("board", ids) == []
    for item_id in ids:
        with pytest.raises(ItemMissing):
            await server.download(Item(item_id, "board"), BytesIO())


async def test_an_edited_item_has_a_new_version_and_the_listing_a_new_digest(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    path = write(root / "board" / "a.png", picture(1))
    before = await server.listing("board")
    write(path, picture(2), age_ns=0)
    after = await server.listing("board", known=before.digest)
    assert after.entries is not None
    assert before.entries is not None
    assert after.entries[0].version != before.entries[0].version


async def test_an_item_replaced_under_its_old_date_and_size_has_a_new_version(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    path = write(root / "board" / "a.png", picture(1))
    [before] = await server.items("board", ["a.png"])
    other = write(root / "b.png", picture(1))
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    [after] = await server.items("board", ["a.png"])
    assert (after.size, after.created_ms) == (before.size, before.created_ms)
    assert after.version != before.version


def failing_scandir(broken: str, code: int) -> Scandir:
    """List like the system does, except that one directory fails."""

    def scandir(path: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        if path.rstrip("/").endswith(broken):
            raise OSError(code, os.strerror(code), path)
        return os.scandir(path)

    return scandir


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ENOENT])
async def test_an_unreadable_subdirectory_makes_a_listing_incomplete(root: Path, code: int) -> None:
    write(root / "board" / "seen.png", picture(1))
    write(root / "board" / "broken" / "unseen.png", picture(2))
    server = DirectoryServer("nas", root, scandir=failing_scandir("broken", code))
    listing = await server.listing("board")
    assert listing.entries is not None
    assert [entry.item_id for entry in listing.entries] == ["seen.png"]
    assert not listing.complete
    again = await server.listing("board", known=listing.digest)
    assert (again.entries, again.complete) == (None, False)


async def test_an_unreadable_board_is_an_error_and_never_an_empty_board(root: Path) -> None:
    write(root / "board" / "seen.png", picture())
    denied = DirectoryServer("nas", root, scandir=failing_scandir("board", errno.EACCES))
    with pytest.raises(NotAuthorised, match="give boardsync's user the right"):
        await denied.listing("board")
    broken = DirectoryServer("nas", root, scandir=failing_scandir("board", errno.EIO))
    with pytest.raises(ServerUnreachable):
        await broken.listing("board")


async def test_a_token_is_not_said_to_be_missing_while_a_folder_cannot_be_read(
    root: Path,
) -> None:
    write(root / "board" / "broken" / "unseen.png", picture())
    server = DirectoryServer("nas", root, scandir=failing_scandir("broken", errno.EACCES))
    with pytest.raises(NotAuthorised):
        await server.find(upload_of(picture()).mark.token)


# Marks: whose item is this


async def test_an_edited_item_loses_the_mark(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture(1))
    item = await send(server, upload)
    (root / "board" / item.item_id).write_bytes(picture(2))
    assert await mark_of(server, item.item_id) is None
    assert await server.find(upload.mark.token) == []


async def test_an_item_that_was_edited_back_has_its_mark_again(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture(1))
    item = await send(server, upload)
    write(root / "board" / item.item_id, picture(2))
    write(root / "board" / item.item_id, picture(1))
    assert await mark_of(server, item.item_id) == upload.mark


async def test_a_touched_item_keeps_its_mark(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture())
    item = await send(server, upload)
    os.utime(root / "board" / item.item_id, ns=(1, 1))
    assert await mark_of(server, item.item_id) == upload.mark


async def test_items_that_moved_with_their_folder_keep_their_marks(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture(), "old/name/a.png")
    await send(server, upload)
    assert await server.find(upload.mark.token) != []
    (root / "board" / "old").rename(root / "board" / "new")
    assert await mark_of(server, "new/name/a.png") == upload.mark
    assert [hit.item_id for hit in await server.find(upload.mark.token)] == ["new/name/a.png"]


async def test_a_copy_of_the_tree_keeps_the_marks_by_digest(
    server: DirectoryServer, root: Path, board: Board, tmp_path: Path
) -> None:
    upload = upload_of(picture(), "sub/a.png")
    item = await send(server, upload)
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    copy = DirectoryServer("copy", tmp_path / "copy")
    [copied] = await copy.items("board", [item.item_id])
    assert copied.version != item.version
    assert await mark_of(copy, item.item_id) == upload.mark
    assert [hit.item_id for hit in await copy.find(upload.mark.token)] == [item.item_id]


async def test_a_copy_beside_the_item_has_no_mark(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture())
    item = await send(server, upload)
    shutil.copy2(root / "board" / item.item_id, root / "board" / "copy.png")
    assert await mark_of(server, "copy.png") is None
    assert [hit.item_id for hit in await server.find(upload.mark.token)] == [item.item_id]


async def test_a_token_whose_item_is_deleted_is_not_found_any_more(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    upload = upload_of(picture())
    item = await send(server, upload)
    assert len(await server.find(upload.mark.token)) == 1
    (root / "board" / item.item_id).unlink()
    assert await server.find(upload.mark.token) == []


async def test_what_another_daemon_stores_is_found_at_once(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    other = DirectoryServer("nas", root)
    for number in range(1, 4):
        upload = upload_of(picture(number), f"sub{number}/a.png")
        assert await server.find(upload.mark.token) == []
        await send(other, upload)
        assert len(await server.find(upload.mark.token)) == 1


async def test_settled_folders_are_not_read_again(root: Path) -> None:
    reads: list[str] = []

    def counting(path: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        reads.append(path)
        return os.scandir(path)

    later = root.stat().st_mtime_ns + HOUR
    server = DirectoryServer("nas", root, scandir=counting, clock_ns=lambda: later)
    await server.create_board("board")
    upload = upload_of(picture(), "sub/a.png")
    await send(server, upload)
    assert len(await server.find(upload.mark.token)) == 1
    reads.clear()
    assert len(await server.find(upload.mark.token)) == 1
    assert reads == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format": 2}',
        b'{"format": 1, "mark": {"version": 1}}',
        b"[" * 60_000,
        b"\xff\xfe",
        b"9" * 70_000,
    ],
)
async def test_a_broken_mark_is_no_mark(
    server: DirectoryServer, root: Path, board: Board, body: bytes
) -> None:
    upload = upload_of(picture())
    item = await send(server, upload)
    [mark] = (root / "board" / MARKS_FOLDER).glob("*.json")
    mark.write_bytes(body)
    assert await mark_of(server, item.item_id) is None
    assert await server.find(upload.mark.token) == []


# Storing


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


async def test_fresh_leftovers_are_left_to_whoever_writes_them(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    marks = root / "board" / MARKS_FOLDER
    marks.mkdir()
    (marks / ".boardsync-tmp-0123456789abcdef").write_bytes(b"half")
    await send(server, upload_of(picture()))
    assert (marks / ".boardsync-tmp-0123456789abcdef").exists()


# Fetching


async def test_a_picture_that_is_still_being_written_is_waited_for(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    write(root / "board" / "a.png", picture()[:-20], age_ns=0)
    [item] = await server.items("board", ["a.png"])
    sink = BytesIO()
    with pytest.raises(FileChanging, match="still being written"):
        await server.download(item, sink)
    assert sink.getvalue() == b""
    assert not await server.complete(item)


async def test_a_picture_that_stays_broken_is_refused(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    write(root / "board" / "a.png", picture()[:-20])
    [item] = await server.items("board", ["a.png"])
    with pytest.raises(PictureRefused, match="mend or remove it"):
        await server.download(item, BytesIO())


async def test_a_format_whose_end_is_not_certain_has_to_stand_still(root: Path) -> None:
    hollow = bytearray(sample(BMP, size=(64, 64)))
    hollow[-1024:] = bytes(1024)
    path = write(root / "board" / "a.bmp", bytes(hollow), age_ns=0)
    written = path.stat().st_mtime_ns
    now = written + 10**9
    server = DirectoryServer("nas", root, clock_ns=lambda: now)
    [item] = await server.items("board", ["a.bmp"])
    with pytest.raises(FileChanging):
        await server.download(item, BytesIO())
    now = written + 11 * 10**9
    assert (await server.download(item, BytesIO())).width == 64


async def test_an_item_that_changed_since_it_was_listed_is_looked_at_again(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    path = write(root / "board" / "a.png", picture(1))
    [item] = await server.items("board", ["a.png"])
    write(path, picture(2), age_ns=2 * HOUR)
    with pytest.raises(FileChanging, match="since it was listed"):
        await server.download(item, BytesIO())


async def test_the_extension_of_a_download_fits_its_bytes(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    write(root / "board" / "a.PNG", sample(JPEG))
    write(root / "board" / "b.jpeg", sample(JPEG))
    found = await server.items("board", ["a.PNG", "b.jpeg"])
    extensions = [(await server.download(item, BytesIO())).extension for item in found]
    assert extensions == [".jpg", ".jpeg"]


async def test_a_picture_above_the_size_limit_is_refused(root: Path) -> None:
    write(root / "board" / "a.png", picture())
    server = DirectoryServer("nas", root, max_bytes=100)
    with pytest.raises(PictureRefused, match="larger than allowed"):
        await server.download(Item("a.png", "board"), BytesIO())


# Ghosts


async def test_torn_bytes_of_somebody_else_are_never_deleted(
    server: DirectoryServer, root: Path, board: Board
) -> None:
    theirs = write(root / "board" / "theirs.png", picture(1)[:-20])
    ours = await send(server, upload_of(picture(2), "ours.png"))
    edited = root / "board" / ours.item_id
    edited.write_bytes(picture(3)[:-20])
    for item_id in ("theirs.png", "ours.png"):
        with pytest.raises(ServerRefused, match="not an upload of ours"):
            await server.delete_ghost(Item(item_id, "board"))
    assert theirs.exists()
    assert edited.exists()


# The small print


def test_inodes_are_left_out_where_the_filesystem_makes_them_up() -> None:
    mounts = (
        "36 35 8:1 / / rw,noatime shared:1 - ext4 /dev/sda1 rw\n"
        "40 36 8:17 / /media/stick rw - exfat /dev/sdb1 rw\n"
        "41 36 0:50 / /mnt/nas rw shared:5 master:2 - fuse.sshfs me@nas:/ rw\n"
        "42 36 0:51 / /mnt/nfs\\040share rw - nfs4 nas:/x rw\n"
    )
    assert devices_without_inodes(mounts) == {os.makedev(8, 17), os.makedev(0, 50)}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (errno.ENOSPC, "NoRoom"),
        (errno.EDQUOT, "NoRoom"),
        (errno.EROFS, "NotAuthorised"),
        (errno.ENAMETOOLONG, "ServerRefused"),
        (errno.EOPNOTSUPP, "ServerRefused"),
        (errno.ESTALE, "ServerUnreachable"),
        (errno.ENOTCONN, "ServerUnreachable"),
        (errno.EMFILE, "ServerFault"),
    ],
)
def test_troubles_of_a_disk_are_told_apart(code: int, name: str) -> None:
    error = classify(OSError(code, os.strerror(code)), "board 'b': listing /nas/b")
    assert type(error).__name__ == name
    assert str(error).startswith("board 'b': listing /nas/b: ")
