"""The lock: one process for each state file, and no lock survives its process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from boardsync.errors import NeedsPerson, StateLocked
from boardsync.state.lock import StateLock
from places import shared_folder, unprivileged

_HOLD = """
import sys
from pathlib import Path
from boardsync.state.lock import StateLock

StateLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(state: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, state],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_and_told_whom_to_stop(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with held_elsewhere(state) as holder:
        with pytest.raises(StateLocked) as refused:
            StateLock(state).acquire()
        assert refused.value.pid == holder.pid
        assert str(state) in str(refused.value)
        assert f"process {holder.pid}" in str(refused.value)
        # A refusal must not have let go of it, or overwritten whose it is.
        with pytest.raises(StateLocked, match=str(holder.pid)):
            StateLock(state).acquire()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with held_elsewhere(state) as holder:
        holder.kill()
        holder.wait()
        with StateLock(state) as lock:
            assert lock.path.read_text() == f"{os.getpid()}\n"


def test_a_lock_that_was_let_go_can_be_taken_again(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    for _ in range(2):
        with StateLock(state), pytest.raises(StateLocked):
            StateLock(state).acquire()
    StateLock(state).release()


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state.db"
    with StateLock(state) as lock:
        assert state.parent.stat().st_mode & 0o777 == 0o700
        assert lock.path.stat().st_mode & 0o777 == 0o600


def test_a_place_that_may_not_be_written_is_named_for_a_person() -> None:
    with (
        shared_folder() as folder,
        unprivileged(),
        pytest.raises(NeedsPerson, match="another `state`"),
    ):
        StateLock(folder / "state.db").acquire()


def test_a_file_in_the_place_of_the_folder_is_named_for_a_person(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NeedsPerson, match="another `state`"):
        StateLock(tmp_path / "file" / "state.db").acquire()
