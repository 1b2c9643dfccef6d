"""Thumbnails are made once, kept within bounds by whoever shares them, and never half."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from boardsync.errors import Missing, NoRoom, PictureRefused
from boardsync.files.durable import TEMP_PREFIX, temp_path
from boardsync.formats import PNG
from boardsync.index import thumbnails as module
from boardsync.index.thumbnails import Thumbnails
from picture_samples import raw_png, sample


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the thumbnails that are made from here on."""
    edges: list[int] = []

    def noting(content: bytes, edge: int) -> bytes:
        edges.append(edge)
        return thumbnail(content, edge)

    thumbnail = module.thumbnail
    monkeypatch.setattr(module, "thumbnail", noting)
    return edges


def picture(path: Path, seed: int = 1, size: tuple[int, int] = (400, 300)) -> Path:
    """Write a picture that has been there for long."""
    path.write_bytes(sample(PNG, "RGB", size, seed=seed))
    os.utime(path, (1_000_000_000 + seed, 1_000_000_000 + seed))
    return path


def weight(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*.webp"))


def test_it_is_made_once_for_each_size_and_version(
    tmp_path: Path, clock: Clock, made: list[int]
) -> None:
    path = picture(tmp_path / "a.png")
    thumbnails = Thumbnails(tmp_path / "kept", 1 << 20, None, clock)
    first = thumbnails.path(path)
    with Image.open(first) as image:
        assert (image.format, image.size) == ("WEBP", (256, 192))
    assert thumbnails.path(path) == thumbnails.path(str(path)) == first
    assert Thumbnails(tmp_path / "kept", 1 << 20, None, clock).path(os.fsencode(path)) == first
    assert thumbnails.path(path, 64) != first
    picture(path, seed=2)
    assert thumbnails.path(path) != first
    assert made == [256, 64, 256]


def test_a_picture_that_was_changed_in_place_with_its_time_set_back_gets_another(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(raw_png(2, 2, 8, 0, b"\0\x10\x10\0\x10\x10"))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    thumbnails = Thumbnails(tmp_path / "kept", 1 << 20, None, clock)
    before, first = path.stat(), thumbnails.path(path)
    path.write_bytes(raw_png(2, 2, 8, 0, b"\0\x11\x11\0\x11\x11"))
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_ino) == (before.st_size, before.st_ino)
    assert thumbnails.path(path) != first


def test_it_is_its_owners_alone(tmp_path: Path, clock: Clock) -> None:
    kept = Thumbnails(tmp_path / "kept", 1 << 20, None, clock).path(picture(tmp_path / "a.png"))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700


def test_what_was_not_looked_at_for_longest_goes_first(
    tmp_path: Path, clock: Clock, made: list[int]
) -> None:
    thumbnails = Thumbnails(tmp_path / "kept", 1 << 30, None, clock)
    paths = [picture(tmp_path / f"{number}.png", seed=number) for number in range(6)]
    kept = []
    for path in paths:
        clock.seconds += 7200
        kept.append(thumbnails.path(path))
    clock.seconds += 7200
    thumbnails.path(paths[0])
    bound = weight(tmp_path / "kept")
    bounded = Thumbnails(tmp_path / "kept", bound, None, clock)
    bounded.path(picture(tmp_path / "new.png", seed=9))
    assert weight(tmp_path / "kept") <= bound
    assert kept[0].exists()
    assert not kept[1].exists()
    assert kept[5].exists()


def test_what_nobody_looks_at_goes_in_time(tmp_path: Path, clock: Clock) -> None:
    thumbnails = Thumbnails(tmp_path / "kept", 1 << 30, 86_400.0, clock)
    old, used = (thumbnails.path(picture(tmp_path / f"{n}.png", seed=n)) for n in (1, 2))
    clock.seconds += 80_000
    assert thumbnails.path(tmp_path / "2.png") == used
    clock.seconds += 10_000
    thumbnails.path(picture(tmp_path / "3.png", seed=3))
    assert (old.exists(), used.exists()) == (False, True)
    clock.seconds += 90_000
    assert thumbnails.sweep() == 0


def test_a_picture_that_was_just_written_is_made_again(tmp_path: Path, made: list[int]) -> None:
    path = picture(tmp_path / "a.png")
    os.utime(path)
    thumbnails = Thumbnails(tmp_path / "kept", 1 << 20, None)
    assert thumbnails.path(path) == thumbnails.path(path)
    assert len(made) == 2


def test_a_lost_or_spoilt_tally_is_counted_anew(tmp_path: Path, clock: Clock) -> None:
    thumbnails = Thumbnails(tmp_path / "kept", 1 << 30, None, clock)
    thumbnails.path(picture(tmp_path / "1.png", seed=1))
    (tmp_path / "kept" / "tally").write_bytes(b"\xff x")
    thumbnails.path(picture(tmp_path / "2.png", seed=2))
    told = (tmp_path / "kept" / "tally").read_text().split()[0]
    assert int(told) == weight(tmp_path / "kept")


def test_what_a_kill_left_is_swept_and_what_is_being_written_is_not(
    tmp_path: Path, clock: Clock
) -> None:
    thumbnails = Thumbnails(tmp_path / "kept", 1 << 30, None, clock)
    kept = thumbnails.path(picture(tmp_path / "1.png"))
    left = Path(os.fsdecode(temp_path(kept.parent)))
    left.write_bytes(b"half")
    thumbnails.sweep()
    assert [one.name for one in kept.parent.iterdir()] == [kept.name]
    assert not [one for one in kept.parent.iterdir() if one.name.encode().startswith(TEMP_PREFIX)]


def test_hostile_files_are_refused_and_nothing_is_kept(tmp_path: Path, clock: Clock) -> None:
    thumbnails = Thumbnails(tmp_path / "kept", 1 << 20, None, clock)
    bomb = raw_png(30_000, 30_000, 8, 2, b"\0" * 100_000)
    for name, content, why in (
        ("bomb.png", bomb, "decompression bomb"), ("cut.png", sample(PNG)[:-20], "not whole"),
        ("text.png", b"no picture", "not a picture"), ("empty.png", b"", "empty"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PictureRefused, match=why):
            thumbnails.path(tmp_path / name)
    os.mkfifo(tmp_path / "fifo.png")
    for path in (tmp_path / "fifo.png", tmp_path, "/dev/zero"):
        with pytest.raises(PictureRefused, match="not a regular file"):
            thumbnails.path(path)
    for path in (tmp_path / "missing.png", tmp_path / "cut.png" / "a.png", "a\0b"):
        with pytest.raises(Missing):
            thumbnails.path(path)
    assert weight(tmp_path / "kept") == 0


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NoRoom, match=r"let `thumbnails\.folder` name another place"):
        Thumbnails(tmp_path / "file", 1 << 20, None, clock).path(picture(tmp_path / "a.png"))


def test_threads_share_it(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{number}.png", seed=number) for number in range(8)]
    bound = 60_000
    start = threading.Barrier(4)

    def work(_: int) -> None:
        thumbnails = Thumbnails(tmp_path / "kept", bound, None)
        start.wait()
        for path in paths:
            thumbnails.path(path)
            assert weight(tmp_path / "kept") <= bound + 30_000

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert 0 < weight(tmp_path / "kept") <= bound


def test_processes_share_it_and_a_kill_leaves_no_half(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{number}.png", seed=number) for number in range(20)]
    script = (
        "import sys; from pathlib import Path\n"
        "from boardsync.index.thumbnails import Thumbnails\n"
        "kept = Thumbnails(Path(sys.argv[1]), 1 << 30, None)\n"
        "while True:\n"
        "    for path in sys.argv[2:]:\n"
        "        for edge in (256, 64): print(kept.path(path, edge), flush=True)\n"
    )
    command = [sys.executable, "-c", script, tmp_path / "kept", *paths]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for process in processes:
            assert process.stdout is not None
            for _ in range(5):
                process.stdout.readline()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for kept in (tmp_path / "kept").rglob("*.webp"):
        with Image.open(BytesIO(kept.read_bytes())) as image:
            image.load()
    thumbnails = Thumbnails(tmp_path / "kept", 1 << 30, None)
    for path in paths:
        thumbnails.path(path)
    assert thumbnails.sweep() == weight(tmp_path / "kept")
