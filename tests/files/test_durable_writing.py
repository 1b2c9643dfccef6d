"""Writing that survives, and renames that never replace, on a real filesystem."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from boardsync.files.disk import PathArg, SystemDisk
from boardsync.files.durable import (
    TEMP_PREFIX,
    create_temp,
    fsync_directory,
    make_directories,
    make_durable_directory,
    move_without_replacing,
    remove_abandoned,
    remove_if_there,
    settle_name,
    sync_and_close,
    temp_path,
    write_atomically,
)
from boardsync.local.trash import LocalTrash
from files.races import at_once
from files.syscalls import run_refusing


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Let this process write files of some length only, like a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_move_renames(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    inode = (tmp_path / "a").stat().st_ino
    (tmp_path / "sub").mkdir()
    move_without_replacing(tmp_path / "a", os.fsencode(tmp_path / "sub/b"))
    assert (tmp_path / "sub/b").read_bytes() == b"content"
    assert (tmp_path / "sub/b").stat().st_ino == inode
    assert names(tmp_path) == ["sub"]


def test_a_move_never_replaces(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "b").write_bytes(b"old")
    with pytest.raises(FileExistsError) as raised:
        move_without_replacing(tmp_path / "a", tmp_path / "b")
    assert raised.value.filename2 == str(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "b").read_bytes() == b"old"


def test_a_dangling_symlink_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "b").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        move_without_replacing(tmp_path / "a", tmp_path / "b")
    assert names(tmp_path) == ["a", "b"]


def test_a_symlink_is_moved_itself(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"content")
    (tmp_path / "a").symlink_to("target")
    move_without_replacing(tmp_path / "a", tmp_path / "b")
    assert os.readlink(tmp_path / "b") == "target"
    assert names(tmp_path) == ["b", "target"]


def test_a_directory_moves_with_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_bytes(b"content")
    move_without_replacing(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b/file").read_bytes() == b"content"


def test_a_missing_source_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        move_without_replacing(tmp_path / "a", tmp_path / "b")


def test_names_that_are_not_text_are_moved(tmp_path: Path) -> None:
    source = os.path.join(os.fsencode(tmp_path), b"\xff\n")
    target = os.path.join(os.fsencode(tmp_path), b"\xfe" * 255)
    with open(source, "wb"):
        pass
    move_without_replacing(source, target)
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xfe" * 255]


def race(directory: Path, rounds: int) -> None:
    """Let eight files race for one name, and check that the name goes to one, once and for all."""
    for number in range(rounds):
        here = directory / str(number)
        here.mkdir()
        for runner in range(8):
            (here / f"runner {runner}").write_bytes(b"%d" % runner)

        def run(runner: int, here: Path = here) -> None:
            move_without_replacing(here / f"runner {runner}", here / "goal")

        outcomes = at_once(8, run)
        (winner,) = (runner for runner in range(8) if outcomes[runner] is None)
        assert (here / "goal").read_bytes() == b"%d" % winner
        for runner in range(8):
            if runner != winner:
                assert isinstance(outcomes[runner], FileExistsError)
                assert (here / f"runner {runner}").read_bytes() == b"%d" % runner
        assert len(names(here)) == 8


def test_of_eight_that_race_for_a_name_one_wins_and_nothing_is_lost(tmp_path: Path) -> None:
    race(tmp_path, rounds=30)


WITHOUT_RENAMEAT2 = """
import errno, os, sys
from pathlib import Path
from files.syscalls import refuse
from files.test_durable_writing import race
from boardsync.files.durable import move_without_replacing

directory = Path(sys.argv[1])
refuse("renameat2", errno.EINVAL)
race(directory, rounds=10)

(directory / "target").write_bytes(b"content")
(directory / "a").symlink_to("target")
move_without_replacing(directory / "a", directory / "b")
assert os.readlink(directory / "b") == "target"
assert not os.path.lexists(directory / "a")
assert (directory / "target").stat().st_nlink == 1
"""

WITHOUT_LINKS = """
import errno, os, sys
from pathlib import Path
from files.syscalls import refuse
from boardsync.files.durable import move_without_replacing

directory = Path(sys.argv[1])
refuse("renameat2", errno.EINVAL)
refuse("linkat", errno.EPERM)
refuse("link", errno.EPERM)
(directory / "a").write_bytes(b"content")
try:
    move_without_replacing(directory / "a", directory / "b")
except OSError as error:
    assert error.errno == errno.EOPNOTSUPP, error
    assert "without replacing" in str(error)
else:
    raise SystemExit("moved")
assert os.listdir(directory) == ["a"]
"""

WITHOUT_DIRECTORY_SYNC = """
import errno, sys
from files.syscalls import refuse
from boardsync.files.durable import fsync_directory

refuse("fsync", errno.{code})
try:
    fsync_directory(sys.argv[1])
except OSError as error:
    raise SystemExit(error.errno != errno.EIO or None)
raise SystemExit({code!r} == "EIO")
"""


def test_where_renameat2_is_missing_a_link_wins_the_race_as_well(tmp_path: Path) -> None:
    run_refusing(WITHOUT_RENAMEAT2, str(tmp_path))


def test_where_links_are_missing_too_nothing_is_moved(tmp_path: Path) -> None:
    run_refusing(WITHOUT_LINKS, str(tmp_path))


@pytest.mark.parametrize("code", ["EINVAL", "EIO"])
def test_only_a_filesystem_that_cannot_sync_directories_is_excused(
    tmp_path: Path, code: str
) -> None:
    run_refusing(WITHOUT_DIRECTORY_SYNC.format(code=code), str(tmp_path))


def test_a_move_across_filesystems_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second filesystem at hand")
    (tmp_path / "a").write_bytes(b"content")
    with pytest.raises(OSError, match="cross-device"):
        move_without_replacing(tmp_path / "a", other / f"boardsync-test-{os.getpid()}")
    assert (tmp_path / "a").read_bytes() == b"content"


def test_a_written_file_holds_what_was_given(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"old")
    write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_written_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"")
        write_atomically(tmp_path / "secret", b"", mode=0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_reader_sees_the_old_bytes_or_the_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "a"
    versions = [bytes([letter]) * 300_000 for letter in b"abc"]
    write_atomically(path, versions[0])
    done = threading.Event()

    def write() -> None:
        for number in range(60):
            write_atomically(path, versions[number % 3])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert path.read_bytes() in versions
    writer.join()


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"old")
    with files_no_longer_than(10_000), pytest.raises(OSError, match="File too large"):
        write_atomically(tmp_path / "a", b"n" * 1_000_000)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_write_that_fails_only_when_it_is_flushed_leaves_no_litter(tmp_path: Path) -> None:
    with files_no_longer_than(10), pytest.raises(OSError, match="File too large"):
        write_atomically(tmp_path / "a", b"n" * 100)
    assert names(tmp_path) == []


def test_a_write_over_a_directory_fails_and_leaves_no_litter(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "a", b"content")
    assert names(tmp_path) == ["a"]


def test_writers_that_meet_leave_one_whole_file(tmp_path: Path) -> None:
    versions = [bytes([65 + writer]) * 100_000 for writer in range(8)]
    outcomes = at_once(8, lambda writer: write_atomically(tmp_path / "a", versions[writer]))
    assert outcomes == [None] * 8
    assert (tmp_path / "a").read_bytes() in versions
    assert names(tmp_path) == ["a"]


def test_temporary_files_are_told_by_their_names_and_never_meet(tmp_path: Path) -> None:
    paths = {temp_path(tmp_path) for _ in range(1000)}
    assert len(paths) == 1000
    assert all(os.path.basename(path).startswith(TEMP_PREFIX) for path in paths)
    assert names(tmp_path) == []


def test_a_temporary_file_can_be_written_and_read_back(tmp_path: Path) -> None:
    stream, path = create_temp(tmp_path, mode=0o600)
    stream.write(b"content")
    stream.seek(0)
    assert stream.read() == b"content"
    sync_and_close(stream)
    assert stream.closed
    assert Path(os.fsdecode(path)).read_bytes() == b"content"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_temporary_file_is_abandoned_when_its_stream_is_closed(tmp_path: Path) -> None:
    stream, path = create_temp(tmp_path)
    with stream:
        assert remove_abandoned(path) is False
    assert remove_abandoned(path) is True
    assert names(tmp_path) == []


def test_a_temporary_file_is_abandoned_when_its_process_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from boardsync.files.durable import create_temp;"
        "stream, path = create_temp(sys.argv[1]); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        [path] = tmp_path.iterdir()
        assert remove_abandoned(path) is False
        process.kill()
        process.wait()
        assert remove_abandoned(path) is True


def test_of_what_is_no_file_nobody_knows_whether_it_remove_abandoned(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert remove_abandoned(tmp_path / "link") is None
    assert remove_abandoned(tmp_path / "nothing") is None


def test_temporary_files_that_a_sweeper_takes_away_at_once_are_made_again(tmp_path: Path) -> None:
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            for path in tmp_path.glob(f"{os.fsdecode(TEMP_PREFIX)}*"):
                remove_abandoned(path)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(2000):
            stream, path = create_temp(tmp_path)
            with stream:
                os.rename(path, tmp_path / "kept")
                os.unlink(tmp_path / "kept")
    finally:
        done.set()
        sweeper.join()


def test_removing_tells_whether_there_was_something(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert remove_if_there(tmp_path / "a")
    assert not remove_if_there(tmp_path / "a")
    with pytest.raises(OSError, match=r"directory|permitted"):
        remove_if_there(tmp_path)


def test_directories_are_made_down_to_the_last(tmp_path: Path) -> None:
    make_directories(tmp_path / "a/b/c")
    make_directories(tmp_path / "a/b/c")
    assert (tmp_path / "a/b/c").is_dir()


def test_directories_made_by_eight_at_once_are_made(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / f"{number}/b/c/d"
        assert at_once(8, lambda _, path=path: make_directories(path)) == [None] * 8
        assert path.is_dir()


class Syncing(SystemDisk):
    """Remembers which directories were made durable."""

    def __init__(self) -> None:
        self.opened: dict[int, bytes] = {}
        self.synced: list[bytes] = []

    def open(self, path: PathArg, flags: int, mode: int = 0o777) -> int:
        number = os.open(path, flags, mode)
        self.opened[number] = os.fsencode(path)
        return number

    def fsync(self, fd: int) -> None:
        os.fsync(fd)
        self.synced.append(self.opened[fd])


def test_directories_that_another_process_made_are_made_durable_once(tmp_path: Path) -> None:
    disk, durable, top = Syncing(), set[bytes](), os.fsencode(tmp_path)
    (tmp_path / "a/b").mkdir(parents=True)

    for _ in range(2):
        make_durable_directory(top + b"/a/b", top, durable, disk)

    assert disk.synced == [top + b"/a/b", top + b"/a", top]


def test_what_goes_to_the_trash_finds_its_directories_durable(tmp_path: Path) -> None:
    disk, folder = Syncing(), os.fsencode(tmp_path / "pictures")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.png").write_bytes(b"picture")
    trash = LocalTrash(folder, os.fsencode(tmp_path / "trash/m"), disk)
    place = trash.place_for(b"a.png", "2026-01-31")
    os.makedirs(os.path.dirname(place))

    trash.put(b"a.png", hashlib.sha256(b"picture").hexdigest(), place)

    wanted = [tmp_path, tmp_path / "trash", tmp_path / "trash/m", tmp_path / "trash/m/2026-01-31"]
    assert {os.fsencode(one) for one in wanted} <= set(disk.synced)


def test_a_file_in_the_place_of_a_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(FileExistsError):
        make_directories(tmp_path / "a")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        make_directories(tmp_path / "a/b")


def test_syncing_what_is_no_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        fsync_directory(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        fsync_directory(tmp_path / "b")


class Closed(SystemDisk):
    """A disk with one directory that may not be opened."""

    def __init__(self, directory: Path) -> None:
        self._directory = os.fsencode(directory)

    def open(self, path: PathArg, flags: int, mode: int = 0o777) -> int:
        if os.fsencode(path) == self._directory:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return super().open(path, flags, mode)


def test_a_name_whose_directory_may_not_be_opened_is_not_called_durable(tmp_path: Path) -> None:
    file = tmp_path / "closed" / "a.png"
    file.parent.mkdir()
    file.touch()
    with pytest.raises(PermissionError):
        settle_name(file, tmp_path, Closed(file.parent))
    settle_name(file, tmp_path.parent, Closed(tmp_path))
