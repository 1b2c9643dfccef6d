"""check, completion and version: what a person meets first."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cli.command_kit import call, command
from cli.place_kit import Place
from places import shared_folder, unprivileged

NOBODY_LISTENS = "http://127.0.0.1:9"


class TestCheck:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(tmp_path)

    def findings(self, place: Place, code: int) -> dict[str, tuple[bool, str]]:
        told = place.json("check", code=code)
        assert told["settings"] == str(place.config)
        return {one["subject"]: (one["good"], one["text"]) for one in told["findings"]}

    def bad(self, place: Place) -> tuple[str, str]:
        """Return the one finding that is not good."""
        [found] = [
            (subject, text) for subject, (good, text) in self.findings(place, 1).items() if not good
        ]
        return found

    def test_a_sound_setup_is_good_in_every_part(self, place: Place) -> None:
        found = self.findings(place, 0)
        assert all(good for good, _ in found.values())
        assert list(found) == [
            f"state {place.state}", f"mirror m: {place.folder}", "live watching", "server shelf",
        ]  # fmt: skip
        result = place("check")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"{place.config}: valid\n")
        assert not place.state.parent.exists()
        assert os.listdir(place.boards) == []

    def test_a_name_that_no_directory_can_have_is_found(self, place: Place) -> None:
        place.config.write_text(place.config.read_text().replace("board: Board", "board: ../x"))
        subject, text = self.bad(place)
        assert subject == "mirror m"
        assert text.startswith("board '../x': ")

    def test_a_missing_folder_is_found_and_not_made(self, place: Place) -> None:
        place.folder.rmdir()
        subject, text = self.bad(place)
        assert subject == f"mirror m: {place.folder}"
        assert "missing" in text
        assert not place.folder.exists()
        assert "BAD" in place("check").stdout

    def test_a_place_where_no_state_can_be_kept_is_found(self, place: Place) -> None:
        place.state.parent.write_bytes(b"a file")
        subject, text = self.bad(place)
        assert (subject, text) == (f"state {place.state}", f"{place.state.parent} is no folder")

    def test_a_state_that_may_not_be_written_is_found(self) -> None:
        with shared_folder() as folder:
            place = Place(folder)
            place.folder.chmod(0o777)
            place.boards.chmod(0o777)
            with unprivileged():
                subject, text = self.bad(place)
        assert subject == f"state {place.state}"
        assert text == f"{folder} may not be written"

    def test_a_state_of_a_newer_boardsync_is_found(self, place: Place) -> None:
        place.json("once")
        with closing(sqlite3.connect(place.state, isolation_level=None)) as db:
            db.execute("UPDATE alembic_version SET version_num = '9999'")
        subject, text = self.bad(place)
        assert subject == f"state {place.state}"
        assert "newer boardsync" in text

    def test_a_folder_that_pictures_cannot_be_pulled_into_is_found(self) -> None:
        with shared_folder() as folder:
            place = Place(folder)
            place.boards.chmod(0o777)
            folder.chmod(0o777)
            with unprivileged():
                subject, text = self.bad(place)
        assert subject == f"mirror m: {place.folder}"
        assert "may not be written" in text

    def test_a_server_that_does_not_answer_is_found(self, place: Place) -> None:
        text = place.config.read_text()
        away = f"  away:\n    kind: invokeai\n    url: {NOBODY_LISTENS}\nmirrors:"
        place.config.write_text(text.replace("mirrors:", away))
        subject, text = self.bad(place)
        assert subject == "server away"
        assert "127.0.0.1:9" in text

    def test_a_disk_that_was_there_before_is_missed_and_its_mount_point_stays_bare(
        self, place: Place
    ) -> None:
        place.picture("a.png")
        place.json("once")
        place.boards.rename(place.base / "unmounted")
        place.boards.mkdir()
        subject, text = self.bad(place)
        assert subject == "server shelf"
        assert "seems not to be mounted" in text
        # A mark left here would have the next pass take the bare place for an empty server.
        assert os.listdir(place.boards) == []


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_the_script_is_for_this_command_and_this_shell(self, shell: str) -> None:
        result = call("completion", shell)
        assert result.exit_code == 0
        assert "_BOARDSYNC_COMPLETE" in result.stdout
        assert f"{shell}_complete" in result.stdout
        assert "boardsync" in result.stdout.splitlines()[0] + result.stdout.splitlines()[-1]

    def test_another_shell_is_refused_with_the_known_ones(self) -> None:
        result = call("completion", "tcsh")
        assert result.exit_code == 2
        assert "bash" in result.stderr

    def test_it_completes_commands(self) -> None:
        environment = {
            **os.environ, "_BOARDSYNC_COMPLETE": "bash_complete", "COMP_WORDS": "boardsync hi",
            "COMP_CWORD": "1",
        }  # fmt: skip
        script = "from boardsync.cli.main import main; main(prog_name='boardsync')"
        result = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment
        )
        assert result.stdout == "plain,history\n"


_LOADED = """
import sys
from boardsync.entry import main
sys.argv[0] = "boardsync"
try:
    main()
except SystemExit as end:
    heavy = {"sqlalchemy", "httpx", "fastapi", "uvicorn", "PIL", "watchdog", "apscheduler"}
    print(end.code, sorted(heavy & sys.modules.keys()))
"""


class TestVersion:
    def test_it_is_told_in_words_and_in_json(self) -> None:
        told = json.loads(call("version", "--json").stdout)
        assert call("version").stdout == f"boardsync {told['version']}\n"
        assert told["python"] == sys.version.split()[0]

    @pytest.mark.parametrize("arguments", [["version"], ["completion", "bash"]])
    def test_it_loads_nothing_that_is_heavy(self, arguments: list[str]) -> None:
        result = subprocess.run(
            [sys.executable, "-c", _LOADED, *arguments], capture_output=True, text=True
        )
        assert result.stdout.splitlines()[-1] == "0 []", result.stderr

    def test_the_module_can_be_run(self) -> None:
        result = subprocess.run(command("version"), capture_output=True, text=True)
        assert (result.returncode, result.stdout) == (0, call("version").stdout)


def test_a_server_without_a_version_is_told_without_a_gap(tmp_path: Path) -> None:
    place = Place(tmp_path)
    [server] = [one for one in place.json("check")["findings"] if one["subject"] == "server shelf"]
    assert server["text"].startswith(f"directory at {place.boards}, ")


def test_a_mistyped_command_is_answered_with_the_nearest() -> None:
    assert "No such command 'statu'. Did you mean 'status'?" in call("statu").stderr
    result = call("zzz")
    assert result.exit_code == 2
    assert "Did you mean" not in result.stderr
    assert call("--", "--status").exit_code == 2
