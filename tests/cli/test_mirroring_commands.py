"""once and plan: what they do, what they leave alone, and what their exit codes say."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import Result

from boardsync.engine.action_words import SENT_AGAIN
from boardsync.state.lock import StateLock
from cli.command_kit import call
from cli.place_kit import Place, everything, picture, put
from picture_samples import opened


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def summary(result: Result) -> dict[str, str]:
    """Return the only line of a summary by its headings."""
    headings, line = result.stdout.splitlines()
    return dict(zip(headings.split(), line.split(), strict=True))


class TestPlan:
    def test_the_first_plan_shows_the_board_to_be_made_and_every_upload_with_its_reason(
        self, place: Place
    ) -> None:
        place.picture("a.png", seed=1)
        place.picture("sub/b.png", seed=2)

        told = place.json("plan")

        assert told == {
            "actions": [
                {
                    "mirror": "m", "action": "make-board", "path": None, "item": None,
                    "board": "Board", "reason": "the server has no board of this name",
                },
                *(
                    {
                        "mirror": "m", "action": "upload", "path": path, "item": None,
                        "board": "Board", "reason": "new in the folder",
                    }
                    for path in ("a.png", "sub/b.png")
                ),
            ],
            "remarks": [],
        }  # fmt: skip

    def test_a_first_plan_makes_no_state_no_board_and_no_file(self, place: Place) -> None:
        place.picture("a.png")
        pictures = everything(place.folder)
        place.json("plan")
        assert everything(place.folder) == pictures
        assert not place.state.parent.exists()
        assert os.listdir(place.boards) == []

    def test_a_later_plan_changes_nothing_at_all(self, place: Place) -> None:
        place.picture("a.png", seed=1)
        place.json("once")
        place.picture("b.png", seed=2)
        place.board_picture("output.png", seed=3)
        before = everything(place.folder), everything(place.boards), place.state.read_bytes()

        told = place.json("plan")

        after = everything(place.folder), everything(place.boards), place.state.read_bytes()
        assert after == before
        assert [(a["action"], a["path"] or a["item"], a["reason"]) for a in told["actions"]] == [
            ("upload", "b.png", "new in the folder"),
            ("download", "output.png", "new on the board"),
        ]

    def test_what_is_planned_is_what_the_next_pass_does(self, place: Place) -> None:
        place.picture("a.png", seed=1)
        place.picture("copy of a.png", seed=1)
        place.picture("b.png", seed=2)
        uploads = [a for a in place.json("plan")["actions"] if a["action"] == "upload"]
        [told] = place.json("once")["mirrors"]
        assert len(uploads) == 3
        # Two of them are one picture.
        assert (told["uploaded"], told["synced"]) == (2, 3)
        assert place.json("plan")["actions"] == []
        assert place("plan").stdout == "Nothing to do.\n"

    def test_files_that_are_still_changing_are_remarked_and_not_planned(self, place: Place) -> None:
        place.configure(quiet="1 h")
        place.picture("a.png")
        told = place.json("plan")
        assert [a["action"] for a in told["actions"]] == ["make-board"]
        assert told["remarks"] == ["m: 1 files are still changing; not planned"]

    def test_what_was_asked_to_be_sent_again_is_planned_until_it_is_done(
        self, place: Place
    ) -> None:
        place.picture("a.png", seed=1)
        place.picture("b.png", seed=2)
        place.json("once")
        place.configure(mirror="prepare: {fit: 10x10}")
        assert place("again", "a.png").exit_code == 0

        asked = {
            "mirror": "m", "action": "send-again", "path": "a.png", "item": "a.png",
            "board": "Board", "reason": SENT_AGAIN,
        }  # fmt: skip
        assert place.json("plan")["actions"] == [asked]
        assert place("again", "--all", "m").exit_code == 0
        assert place.json("plan")["actions"] == [asked, asked | {"path": "b.png", "item": "b.png"}]

        place.configure(mirror="direction: pull")
        assert place.json("plan")["actions"] == []
        place.configure(mirror="prepare: {fit: 10x10}")
        place.json("once")
        assert opened(place.on_board()["a.png"]).width == 10
        assert place.json("plan")["actions"] == []

    def test_a_server_that_is_away_is_a_remark(self, place: Place) -> None:
        place.boards.rmdir()
        place.picture("a.png")
        told = place.json("plan")
        assert told["actions"] == []
        assert str(place.boards) in told["remarks"][0]

    def test_the_table_shows_hostile_names_as_one_line_each(self, place: Place) -> None:
        put(place.folder, b"new\nline\x1b[31m\xff [bold].png", picture(1))
        result = place("plan")
        assert result.exit_code == 0
        [line] = [line for line in result.stdout.splitlines() if "upload" in line]
        assert r"new\nline\x1b[31m\xff [bold].png" in line


class TestOnce:
    def test_a_pass_brings_both_sides_together_and_says_what_it_did(self, place: Place) -> None:
        content = place.picture("a.png", seed=1)
        place.json("once")
        output = place.board_picture("output.png", seed=2)
        [told] = place.json("once", "m")["mirrors"]
        assert told == {
            "mirror": "m", "uploaded": 0, "downloaded": 1, "linked": 0, "moved": 0, "trashed": 0,
            "refused": 0, "failed": 0, "left": 0, "held": 0, "settling": 0, "synced": 2,
            "trouble": None, "unreachable": False, "errors": [], "good": True,
            "resting": None, "paused": False,
        }  # fmt: skip
        assert place.on_board()["a.png"] == content
        assert (place.folder / "outputs" / "output.png").read_bytes() == output

    def test_names_of_bytes_that_are_no_text_travel_both_ways(self, place: Place) -> None:
        up, down = b"latin\xe9\n.png", b"sp\xe4ter\x1b[0m.png"
        put(place.folder, up, picture(1))
        place.json("once")
        put(place.boards / "Board", down, picture(2))
        [told] = place.json("once")["mirrors"]
        assert (told["downloaded"], told["synced"], told["good"]) == (1, 2, True)
        assert place.on_board()[os.fsdecode(up)] == picture(1)
        [pulled] = list((place.folder / "outputs").iterdir())
        assert pulled.read_bytes() == picture(2)
        assert pulled.name == "sp_ter_[0m.png"
        for command in (("once",), ("status",), ("plan",), ("history", "1"), ("history", "2")):
            place.json(*command)
            assert place(*command).exit_code == 0

    def test_the_summary_is_for_people(self, place: Place) -> None:
        place.picture("a.png")
        result = place("once")
        assert summary(result) == {
            "mirror": "m", "uploaded": "1", "downloaded": "0", "linked": "0", "moved": "0",
            "trashed": "0", "refused": "0", "left": "0", "held": "0", "synced": "1",
        }  # fmt: skip


class TestExitCodes:
    def test_0_when_everything_was_done(self, place: Place) -> None:
        place.picture("a.png")
        assert place("once").exit_code == 0

    def test_0_when_all_that_is_left_stands_refused_and_it_is_told_every_time(
        self, place: Place
    ) -> None:
        place.picture("a.png", seed=1)
        place.picture("torn\n\x1b[31m.png", content=picture(2)[:-20])
        for _ in range(3):
            result = place("once")
            assert result.exit_code == 0
            assert "m: 1 picture refused; `boardsync status` tells why\n" in result.stderr
            assert summary(result)["refused"] == "1"
            [told] = place.json("once")["mirrors"]
            assert (told["refused"], told["synced"], told["good"]) == (1, 1, True)
        assert list(place.on_board()) == ["a.png"]

    def test_0_and_nothing_to_tell_when_what_was_refused_is_gone(self, place: Place) -> None:
        place.picture("torn.png", content=picture(2)[:-20])
        place.json("once")
        (place.folder / "torn.png").unlink()
        result = place("once")
        assert (result.exit_code, result.stderr) == (0, "")
        assert summary(result)["refused"] == "0"

    def test_1_while_a_file_is_still_changing_first_and_later(self, place: Place) -> None:
        place.configure(quiet="1 h")
        place.picture("a.png")
        for _ in range(2):
            result = place("once")
            assert result.exit_code == 1
            assert "m: 1 file still changing\n" in result.stderr

    def test_2_for_a_wrong_command_line(self, place: Place) -> None:
        result = place("once", "--no-such-option")
        assert result.exit_code == 2
        assert "No such option" in result.stderr

    def test_75_while_the_server_is_away(self, place: Place) -> None:
        place.picture("a.png")
        place.boards.rmdir()
        result = place("once")
        assert result.exit_code == 75
        assert f"{place.boards} is not a directory" in result.stderr
        place.boards.mkdir()
        assert place("once").exit_code == 0

    @pytest.mark.parametrize("command", [["once"], ["run"], ["again", "a.png"]])
    def test_75_while_another_process_uses_the_state(
        self, place: Place, command: list[str]
    ) -> None:
        with StateLock(place.state):
            result = place(*command)
        assert result.exit_code == 75
        assert (
            f"{place.state}: in use by another boardsync (process {os.getpid()})" in result.stderr
        )
        assert result.stdout == ""

    def test_75_while_the_folder_is_away_and_it_is_not_made(self, place: Place) -> None:
        shutil.rmtree(place.folder)
        result = place("once")
        assert result.exit_code == 75
        assert "missing" in result.stderr
        assert not place.folder.exists()

    @pytest.mark.parametrize("command", ["once", "run", "plan", "status", "history", "check"])
    def test_78_for_broken_settings_with_file_line_and_column(
        self, place: Place, command: str
    ) -> None:
        place.configure(mirror="direktion: push")
        result = place(command)
        assert result.exit_code == 78
        lines = place.config.read_text().splitlines()
        line = next(number for number, text in enumerate(lines, 1) if "direktion" in text)
        assert result.stderr.startswith(f"boardsync: {place.config}:{line}:5: mirrors[0].direktion")
        assert "did you mean 'direction'?" in result.stderr
        assert result.stdout == ""

    def test_78_for_a_settings_file_that_is_not_there(self, tmp_path: Path) -> None:
        result = call("-c", str(tmp_path / "nowhere.yaml"), "once")
        assert result.exit_code == 78
        assert "nowhere.yaml" in result.stderr

    def test_78_for_a_mirror_that_is_not_there(self, place: Place) -> None:
        for command in ("once", "plan"):
            result = place(command, "nobody")
            assert result.exit_code == 78
            assert "no mirror is called 'nobody'; there are: m" in result.stderr

    def test_78_for_a_daemon_without_mirrors(self, tmp_path: Path) -> None:
        config = tmp_path / "config.yaml"
        config.write_text(f"state: {tmp_path}/state.db\n")
        result = call("-c", str(config), "run")
        assert result.exit_code == 78
        assert "add one under `mirrors`" in result.stderr

    def test_every_code_is_explained_in_the_help(self) -> None:
        told = call("--help").stdout
        for code in ("0", "1", "2", "75", "78"):
            assert f"\n  {code} " in told

    @pytest.mark.parametrize("command", [["status"], ["plan"], ["why", "a.png"], ["history"]])
    def test_75_for_readers_of_a_damaged_state_which_once_then_heals(
        self, place: Place, command: list[str]
    ) -> None:
        place.picture("a.png")
        place.json("once")
        place.state.write_bytes(b"x" * 5000)
        for companion in place.state.parent.glob("state.db-*"):
            companion.unlink()

        result = place(*command)
        assert result.exit_code == 75
        assert "is damaged" in result.stderr

        result = place("once", "--json")
        [told] = json.loads(result.stdout)["mirrors"]
        assert (told["uploaded"], told["synced"]) == (0, 1)
        assert "kept aside" in result.stderr
        assert len(place.on_board()) == 1

    def test_1_for_a_state_that_is_another_programs(self, place: Place) -> None:
        place.state.parent.mkdir()
        place.state.mkdir()
        result = place("once")
        assert result.exit_code in (1, 75)
        assert str(place.state) in result.stderr
        assert place.state.is_dir()


def test_a_mirror_that_is_named_twice_is_looked_at_and_told_of_once(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert [one["mirror"] for one in place.json("once", "m", "m")["mirrors"]] == ["m"]
