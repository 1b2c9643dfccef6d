"""`boardsync mirror`: the whole thing without a settings file."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from cli.command_kit import call, command
from cli.place_kit import picture, put, tree, wait_until


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to stand in, and a home of one's own beside it."""
    for variable in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def test_without_arguments_it_makes_samples_and_brings_them_to_a_board_once(home: Path) -> None:
    socket = home.parent / "home" / "boardsync" / "boardsync.sock"
    socket.parent.mkdir(parents=True)
    socket.write_bytes(b"stands for a daemon's")

    result = call("mirror", "--once")

    assert result.exit_code == 0, result.output
    pictures, boards = home / "demo" / "pictures", home / "demo" / "boards"
    samples = tree(pictures)
    assert samples
    assert tree(boards / "pictures") == samples
    assert f"Made {pictures} with {len(samples)} sample pictures." in result.stdout
    assert f"Uploaded {len(samples)}, downloaded 0, already there 0;" in result.stdout

    again = call("mirror", "--once")
    assert "Made " not in again.stdout
    assert f"Uploaded 0, downloaded 0, already there {len(samples)};" in again.stdout
    # One state for one folder, server and board; and a daemon's things beside it are its own.
    assert len(list(socket.parent.glob("mirror-*.db"))) == 1
    assert socket.read_bytes() == b"stands for a daemon's"


def test_a_folder_and_a_directory_can_be_named_and_pictures_go_both_ways(home: Path) -> None:
    put(home / "mine", "a.png", picture(1))
    put(home / "boards" / "B", "output.png", picture(2))
    result = call("mirror", "mine", "boards", "--board", "B", "--once")
    assert result.exit_code == 0, result.output
    assert tree(home / "boards" / "B") == {"a.png": picture(1), "output.png": picture(2)}
    assert tree(home / "mine") == {"a.png": picture(1), "outputs/output.png": picture(2)}


def test_names_that_are_no_text_get_a_readable_board(home: Path) -> None:
    name = os.fsdecode(b"latin\xe9")
    put(home / name, "a.png", picture(1))
    result = call("mirror", name, "boards", "--once")
    assert result.exit_code == 0
    [board] = [path for path in (home / "boards").iterdir() if not path.name.startswith(".")]
    assert board.name.isprintable()
    assert tree(board) == {"a.png": picture(1)}


def test_what_cannot_be_sent_is_told_with_the_reason_every_time_and_fails_no_pass(
    home: Path,
) -> None:
    put(home / "mine", "a.png", picture(1))
    put(home / "mine", b"torn\n\x1b\xff.png", picture(2)[:-20])
    for _ in range(2):
        result = call("mirror", "mine", "boards", "--once")
        assert result.exit_code == 0
        assert "; 1 in step, 1 refused.\n" in result.stdout
        assert "\nRefused: torn\\n\\x1b\\xff.png: " in result.stdout
        assert all(letter.isprintable() or letter == "\n" for letter in result.output)
    assert tree(home / "boards" / "mine") == {"a.png": picture(1)}


def test_a_server_that_is_away_is_exit_code_75(home: Path) -> None:
    (home / "mine").mkdir()
    result = call("mirror", "mine", "http://127.0.0.1:9", "--once")
    assert result.exit_code == 75
    assert "Waiting: " in result.stdout


def test_a_missing_folder_is_made_empty(home: Path) -> None:
    assert call("mirror", "empty", "boards", "--once").exit_code == 0
    assert tree(home / "empty") == {}


def test_folders_that_lie_in_each_other_are_refused(home: Path) -> None:
    result = call("mirror", "mine", "mine/boards", "--once")
    assert result.exit_code == 78
    assert "lie in each other" in result.stderr


def test_it_goes_on_until_it_is_stopped_and_says_goodbye(home: Path) -> None:
    with subprocess.Popen(
        command("mirror", "mine", "boards"), stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        try:
            wait_until((home / "mine").is_dir)
            put(home / "mine", "a.png", picture(1))
            wait_until((home / "boards" / "mine" / "a.png").exists)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0
    assert out.endswith("Stopped. Nothing is lost: the next start goes on from here.\n")
