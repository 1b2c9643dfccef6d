"""Fetching images into files."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from boardsync.cli.downloads import Ending, Fetched, Fetcher, Job, file_name, jobs_in
from boardsync.formats.whole import check
from boardsync.model import Download, Item
from cli.command_kit import SECONDS, Cli, command, seen_on_terminal
from servers.fake_invokeai import CUT, HANGING, FakeInvokeAI, status
from servers.fake_invokeai_store import FakeBoard, FakeImage
from servers.invokeai_kit import noisy_png, png


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI(reencode=False).in_thread() as fake:
        yield fake


@pytest.fixture
def cli(fake: FakeInvokeAI) -> Cli:
    return Cli(fake.url)


@pytest.fixture
def board(fake: FakeInvokeAI) -> FakeBoard:
    """A board with three images, one of them intermediate."""
    board = fake.store.add_board("Art")
    for number in range(3):
        fake.store.add_image(png((number, 0, 0)), board.board_id, intermediate=number == 2)
    return board


@pytest.fixture
def image(fake: FakeInvokeAI) -> FakeImage:
    return fake.store.add_image(noisy_png())


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_image_goes_to_the_name_that_is_given(
    cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    goal = tmp_path / "new" / "picture.png"
    told = cli.json("images", "download", image.name[:12], "--to", str(goal))
    assert goal.read_bytes() == image.content
    assert told["results"] == [{"name": image.name, "outcome": "saved", "path": str(goal)}]
    assert told["totals"] == {"saved": 1, "skipped": 0, "failed": 0, "bytes": len(image.content)}


def test_images_go_to_a_directory_under_their_own_names(
    fake: FakeInvokeAI, cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    other = fake.store.add_image(png())
    result = cli("images", "download", image.name, other.name, "--to", str(tmp_path / "new"))
    assert result.exit_code == 0
    assert files(tmp_path / "new") == {image.name: image.content, other.name: other.content}
    assert result.stdout.startswith("saved 2 (")


def test_without_a_goal_they_go_to_the_current_directory(
    cli: Cli, image: FakeImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("images", "download", image.name).exit_code == 0
    assert files(tmp_path) == {image.name: image.content}


def test_a_thumbnail_is_a_webp_of_its_own(cli: Cli, image: FakeImage, tmp_path: Path) -> None:
    words = ("images", "download", image.name, "--thumbnail", "--to", str(tmp_path))
    assert cli(*words).exit_code == 0
    [(name, content)] = files(tmp_path).items()
    assert name == image.name.removesuffix(".png") + ".webp"
    found = check(content).format
    assert found is not None
    assert found.name == "WebP"
    assert cli.json(*words)["totals"]["skipped"] == 1


def test_a_whole_board_is_fetched_without_intermediate_images_and_counted(
    fake: FakeInvokeAI, cli: Cli, board: FakeBoard, image: FakeImage, tmp_path: Path
) -> None:
    result = cli("images", "download", "--board", "Art", "--all", "--to", str(tmp_path))
    shown = [name for name in board.names if not fake.store.images[name].intermediate]
    assert sorted(files(tmp_path)) == sorted(shown)
    lines = result.stderr.splitlines()
    assert [line.split()[0] for line in lines] == ["1/2", "2/2"]
    assert all(": saved, " in line for line in lines)
    assert result.stdout.startswith("saved 2 (")


def test_complete_files_are_not_fetched_again_unless_forced(
    fake: FakeInvokeAI, cli: Cli, board: FakeBoard, tmp_path: Path
) -> None:
    words = ("images", "download", "--board", "Art", "--all", "--to", str(tmp_path))
    cli(*words)
    assert cli.json(*words)["totals"]["skipped"] == 2
    assert fake.requests["full"] == 2
    assert cli.json(*words, "--force")["totals"]["saved"] == 2
    assert fake.requests["full"] == 4


def test_a_torn_file_of_an_earlier_download_is_made_whole(
    cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    torn = tmp_path / image.name
    torn.write_bytes(image.content[: len(image.content) // 2])
    told = cli.json("images", "download", image.name, "--to", str(tmp_path))
    assert told["totals"]["saved"] == 1
    assert files(tmp_path) == {image.name: image.content}


@pytest.mark.parametrize("there", [b"my diary", png((9, 9, 9), (96, 96)), noisy_png() + b"more"])
def test_a_different_file_is_never_replaced_without_force(
    there: bytes, cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    goal = tmp_path / "picture.png"
    goal.write_bytes(there)
    told = cli.json("images", "download", image.name, "--to", str(goal), code=1)
    assert "--force" in told["results"][0]["reason"]
    assert files(tmp_path) == {"picture.png": there}
    assert cli("images", "download", image.name, "--to", str(goal), "--force").exit_code == 0
    assert files(tmp_path) == {"picture.png": image.content}


def test_the_same_picture_under_a_chosen_name_is_skipped(
    cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    goal = tmp_path / "picture.png"
    goal.write_bytes(image.content)
    told = cli.json("images", "download", image.name, "--to", str(goal))
    assert told["totals"]["skipped"] == 1


def test_a_link_in_the_place_of_a_file_is_neither_followed_nor_replaced(
    cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    precious = tmp_path / "precious.png"
    precious.write_bytes(b"")
    goal = tmp_path / "out"
    goal.mkdir()
    (goal / image.name).symlink_to(precious)
    assert cli("images", "download", image.name, "--to", str(goal)).exit_code == 1
    assert (goal / image.name).is_symlink()
    assert precious.read_bytes() == b""
    assert cli("images", "download", image.name, "--to", str(goal), "--force").exit_code == 0
    assert not (goal / image.name).is_symlink()
    assert precious.read_bytes() == b""


def test_an_image_that_is_still_being_written_is_waited_for(
    fake: FakeInvokeAI, cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    image.unwritten = 2
    assert cli("images", "download", image.name, "--to", str(tmp_path)).exit_code == 0
    assert files(tmp_path) == {image.name: image.content}
    assert fake.requests["full"] == 3


def test_a_connection_that_breaks_in_the_middle_leaves_no_torn_file(
    fake: FakeInvokeAI, cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    fake.inject("full", CUT)
    assert cli("images", "download", image.name, "--to", str(tmp_path)).exit_code == 0
    assert files(tmp_path) == {image.name: image.content}


def test_one_missing_image_does_not_stop_the_others(
    cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    result = cli("images", "download", "zebra", image.name, "--to", str(tmp_path))
    assert result.exit_code == 1
    assert files(tmp_path) == {image.name: image.content}
    assert "zebra: failed: " in result.stdout
    assert "failed 1" in result.stdout


def test_an_image_of_another_board_is_an_error(
    fake: FakeInvokeAI, cli: Cli, image: FakeImage, board: FakeBoard, tmp_path: Path
) -> None:
    words = ("images", "download", image.name, "--board", "Art", "--to", str(tmp_path))
    told = cli.json(*words, code=1)
    assert "it is in Uncategorized" in told["results"][0]["reason"]
    assert files(tmp_path) == {}


def test_several_images_do_not_go_into_one_file(
    fake: FakeInvokeAI, cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    goal = tmp_path / "picture.png"
    goal.write_bytes(b"mine")
    result = cli("images", "download", image.name, "other", "--to", str(goal))
    assert result.exit_code == 2
    assert not fake.requests


def test_a_directory_that_cannot_be_made_is_told(
    cli: Cli, image: FakeImage, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    result = cli("images", "download", image.name, "--to", str(tmp_path / "file" / "below.png"))
    assert result.exit_code == 1
    assert "cannot be made" in result.stderr


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.png", "/etc/passwd.png", "..", "a/../../b.png", ".hidden", "x\0.png"]
)
def test_no_name_of_a_server_leaves_the_directory(name: str, tmp_path: Path) -> None:
    for thumbnail in (False, True):
        [job] = jobs_in(str(tmp_path), [Item(name, None)], thumbnail=thumbnail)
        assert isinstance(job, Job)
        assert os.path.dirname(os.path.abspath(job.path)) == str(tmp_path)
        assert not file_name(job.image, thumbnail=thumbnail).startswith(".")


def test_two_images_that_would_share_a_file_are_kept_apart() -> None:
    first, second = jobs_in("out", [Item("a:b.png", None), Item("A?B.png", None)], thumbnail=False)
    assert isinstance(first, Job)
    assert isinstance(second, Fetched)
    assert (second.name, second.ending) == ("A?B.png", Ending.FAILED)


@pytest.fixture
async def own_fake() -> AsyncIterator[FakeInvokeAI]:
    """A fake in the event loop of the test."""
    async with FakeInvokeAI(reencode=False) as fake:
        yield fake


async def test_an_image_that_stays_torn_is_given_up_without_a_trace(
    own_fake: FakeInvokeAI, tmp_path: Path
) -> None:
    image = own_fake.store.add_image(noisy_png())
    image.unwritten = -1
    async with own_fake.client() as client:
        fetcher = Fetcher(client, at_once=1, waits=(0, 0))
        jobs = jobs_in(str(tmp_path), [await client.images.show(image.name)], thumbnail=False)
        [result] = await fetcher.fetch(jobs)
    assert result.ending is Ending.FAILED
    assert "still being written" in str(result.reason)
    assert own_fake.requests["full"] == 3
    assert files(tmp_path) == {}


async def test_a_busy_server_is_not_asked_for_every_single_image(
    own_fake: FakeInvokeAI, tmp_path: Path
) -> None:
    names = [own_fake.store.add_image(png()).name for _ in range(5)]
    own_fake.inject("full", status(503), times=100)
    async with own_fake.client() as client:
        jobs = jobs_in(str(tmp_path), await client.images.records(names), thumbnail=False)
        results = await Fetcher(client, at_once=1, waits=()).fetch(jobs)
    assert [result.name for result in results] == names
    assert {result.ending for result in results} == {Ending.FAILED}
    assert own_fake.requests["full"] == 1


async def test_a_full_disk_ends_a_download(tmp_path: Path) -> None:
    class FullDisk:
        """A client on a machine whose disk is full."""

        def __init__(self) -> None:
            self.images = self
            self.attempts = 0

        async def download(self, item: Item, sink: BinaryIO, *, thumbnail: bool) -> Download:
            self.attempts += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    client = FullDisk()
    jobs = jobs_in(str(tmp_path), [Item("a.png", None), Item("b.png", None)], thumbnail=False)
    results = await Fetcher(client, at_once=1).fetch(jobs)  # type: ignore[arg-type]
    assert ["No space left" in str(result.reason) for result in results] == [True, True]
    assert client.attempts == 1
    assert files(tmp_path) == {}


def test_bytes_that_the_disk_does_not_take_leave_nothing_behind(
    fake: FakeInvokeAI, image: FakeImage, tmp_path: Path
) -> None:
    words = command("images", "download", image.name, "--to", str(tmp_path), "--url", fake.url)
    limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *words]
    result = subprocess.run(limited, capture_output=True, text=True, timeout=SECONDS)
    assert result.returncode == 1
    assert "File too large" in result.stdout
    assert files(tmp_path) == {}


def test_a_terminal_shows_a_bar_instead_of_lines(
    fake: FakeInvokeAI, board: FakeBoard, tmp_path: Path
) -> None:
    words = ["images", "download", "--board", "Art", "--all", "--to", str(tmp_path)]
    output, shown = seen_on_terminal([*words, "--url", fake.url])
    assert output.startswith("saved 2 (")
    assert "downloading" in shown
    assert ": saved, " not in shown


def test_an_interrupted_download_leaves_nothing_behind(
    fake: FakeInvokeAI, image: FakeImage, tmp_path: Path
) -> None:
    fake.inject("full", HANGING)
    words = command("images", "download", image.name, "--to", str(tmp_path), "--url", fake.url)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + SECONDS
        while not fake.requests["full"] and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert b"Traceback" not in stderr
    assert files(tmp_path) == {}
