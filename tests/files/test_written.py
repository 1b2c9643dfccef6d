"""Whether a file is still open for writing: told by the kernel, and nobody is harmed by it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from boardsync.errors import FileChanging
from boardsync.files.snapshot import digest_file, read_snapshot
from boardsync.files.written import is_written

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")


def told(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        return is_written(fd)
    finally:
        os.close(fd)


def test_a_writer_in_another_process_is_seen_until_it_closes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"begun")
    code = f"with open({str(path)!r}, 'ab'): print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        assert told(path)
        with pytest.raises(FileChanging, match="still has it open"):
            digest_file(path, let_go=True)
        with pytest.raises(FileChanging, match="still has it open"):
            read_snapshot(path, 100, let_go=True)
        assert read_snapshot(path, 100).content == b"begun"
        writer.communicate(b"\n")
    assert not told(path)
    assert read_snapshot(path, 100, let_go=True).content == b"begun"


def test_the_first_of_two_writers_that_closes_does_not_hide_the_other(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb"), path.open("rb"):
        with path.open("ab"):
            pass
        assert told(path)
    with path.open("rb"):
        assert not told(path)


def test_whoever_writes_meanwhile_is_not_kept_and_we_are_not_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"")
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            told(path)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        code = (
            f"for _ in range(2000):\n with open({str(path)!r}, 'ab') as stream: stream.write(b'x')"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
    finally:
        done.set()
        asking.join()
    assert path.stat().st_size == 2000
