"""holds, approve, restore, dismiss, trash and undo, with a daemon beside them and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.command_kit import on_terminal
from cli.place_kit import Daemon, Place, picture, put, tree, wait_until

PASSING = "policies: {file_deleted: trash, item_deleted: trash}"
HOSTILE = b"new\nline\x1b[31m\xff [bold].png"
SHOWN = r"new\nline\x1b[31m\xff [bold].png"


def make_place(base: Path, *, direction: str = "both") -> Place:
    """Make a mirror that passes deletions on, and at once."""
    place = Place(base)
    policies = PASSING if direction == "both" else "policies: {file_deleted: trash}"
    place.configure(mirror=f"{policies}\n    direction: {direction}")
    place.believe_at_once()
    return place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


def fill(place: Place, count: int = 20) -> None:
    for seed in range(count):
        place.picture(f"{seed:02}.png", seed=seed)
    place.json("once")


def empty(place: Place, count: int = 15) -> dict[str, Any]:
    """Delete many files, which is held; return the hold."""
    for seed in range(count):
        (place.folder / f"{seed:02}.png").unlink()
    place.json("once", code=1)
    [hold] = place.json("holds")["holds"]
    return dict(hold)


def local_trash(place: Place) -> dict[str, bytes]:
    root = place.base / ".boardsync-trash"
    return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def harmless(text: str) -> None:
    """Check that text holds nothing that a terminal obeys."""
    assert all(letter.isprintable() or letter == "\n" for letter in text)


class TestHolds:
    def test_nothing_waits_before_the_first_run_and_after_a_good_one(self, place: Place) -> None:
        assert place("holds").stdout == "Nothing waits for your answer.\n"
        fill(place, 2)
        assert place.json("holds") == {"holds": []}

    def test_they_tell_what_would_be_removed_how_many_and_how_to_answer(self, place: Place) -> None:
        fill(place)
        hold = empty(place)
        text = place("holds").stdout
        assert f"hold {hold['hold']} of m, since 2" in text
        assert "15 files deleted here; would put 15 items of the board into the server's" in text
        assert "    00.png (item 00.png on Board)\n" in text
        assert "    ... and 5 more\n" in text
        assert f"`boardsync approve {hold['hold']}` removes them" in text

    def test_once_and_status_point_to_them(self, place: Place) -> None:
        fill(place)
        hold = empty(place)
        result = place("once")
        assert result.exit_code == 1
        assert "m: 15 removals held until you answer; see `boardsync holds`" in result.stderr
        [mirror] = place.json("status")["mirrors"]
        assert (mirror["condition"], mirror["held"]) == ("held", 15)
        text = place("status").stdout
        assert f"m: hold {hold['hold']} waits since 2" in text
        assert f"`boardsync approve {hold['hold']}` removes them" in text

    def test_hostile_names_are_shown_harmless(self, place: Place) -> None:
        fill(place, 12)
        put(place.folder, HOSTILE, picture(99))
        place.json("once")
        (place.folder / HOSTILE.decode("utf-8", "surrogateescape")).unlink()
        hold = empty(place, 12)
        assert hold["count"] == 13
        result = place("approve", str(hold["hold"]), "--yes")
        harmless(result.stdout)
        harmless(result.stderr)
        text = place("trash", "list").stdout
        harmless(text)
        assert SHOWN in text


class TestAnswers:
    def test_approve_shows_what_it_concerns_and_removes_exactly_that(self, place: Place) -> None:
        fill(place)
        hold = empty(place)
        result = place("approve", str(hold["hold"]), "--yes")
        assert result.exit_code == 0, result.output
        assert "15 files deleted here" in result.stderr
        assert f"hold {hold['hold']}: 15 pictures may go to the trash" in result.stdout
        assert sorted(place.on_board()) == [f"{seed:02}.png" for seed in range(15, 20)]
        assert place.json("holds") == {"holds": []}

    def test_approve_asks_on_a_terminal_and_no_is_no(self, place: Place) -> None:
        fill(place)
        hold = str(empty(place)["hold"])
        asked = on_terminal(("-c", str(place.config), "approve", hold), "n")
        assert asked.returncode == 1
        assert "Put 15 pictures into the trash?" in asked.stderr
        assert "Nothing was removed; the hold stays." in asked.stderr
        assert len(place.on_board()) == 20
        asked = on_terminal(("-c", str(place.config), "approve", hold), "y")
        assert (asked.returncode, len(place.on_board())) == (0, 5)

    def test_without_anybody_to_ask_approve_wants_a_yes(self, place: Place) -> None:
        fill(place)
        hold = empty(place)
        result = place("approve", str(hold["hold"]))
        assert result.exit_code == 2
        assert "15 pictures would go to the trash" in result.stderr
        assert "give --yes" in result.stderr
        assert len(place.on_board()) == 20

    def test_restore_fetches_the_files_again(self, place: Place) -> None:
        fill(place)
        hold = empty(place)
        result = place("restore", str(hold["hold"]))
        assert result.exit_code == 0, result.output
        assert "15 pictures are fetched from the board again" in result.stdout
        assert tree(place.folder) == {f"{seed:02}.png": picture(seed) for seed in range(20)}
        assert len(place.on_board()) == 20

    def test_restore_sends_pictures_again_whose_items_were_deleted(self, place: Place) -> None:
        fill(place)
        for seed in range(15):
            (place.boards / "Board" / f"{seed:02}.png").unlink()
        place.json("once", code=1)
        [hold] = place.json("holds")["holds"]
        assert "15 items deleted on the board" in place("holds").stdout
        result = place("restore", str(hold["hold"]))
        assert result.exit_code == 0, result.output
        assert place.on_board() == {f"{seed:02}.png": picture(seed) for seed in range(20)}
        assert local_trash(place) == {}

    def test_dismiss_leaves_both_sides(self, place: Place) -> None:
        fill(place)
        hold = empty(place)
        result = place("dismiss", str(hold["hold"]))
        assert result.exit_code == 0, result.output
        assert "15 pictures are left on the other side" in result.stdout
        assert (len(tree(place.folder)), len(place.on_board())) == (5, 20)
        assert place.json("once")["mirrors"][0]["held"] == 0

    def test_where_nothing_is_fetched_restore_says_so_and_changes_nothing(
        self, tmp_path: Path
    ) -> None:
        place = make_place(tmp_path, direction="push")
        fill(place)
        hold = empty(place)
        result = place("restore", str(hold["hold"]))
        assert result.exit_code == 1
        assert "only pushes, and fetches nothing from the board" in result.stderr
        assert f"`boardsync dismiss {hold['hold']}` keeps" in result.stderr
        assert place.json("holds")["holds"] == [hold]

    @pytest.mark.parametrize("command", ["restore", "dismiss", "approve"])
    def test_a_hold_that_is_not_there_is_told(self, place: Place, command: str) -> None:
        fill(place, 2)
        result = place(command, "7")
        assert result.exit_code == 1
        assert "there is no hold 7 (any more)" in result.stderr


class TestTrash:
    @pytest.fixture
    def removed(self, place: Place) -> Place:
        """One item and one file lie in the trash."""
        fill(place, 6)
        (place.folder / "01.png").unlink()
        (place.boards / "Board" / "02.png").unlink()
        place.json("once")
        return place

    def test_before_the_first_run_it_is_empty(self, place: Place) -> None:
        assert place.json("trash", "list") == {"mirrors": [], "trash": []}
        assert place("trash", "list").stdout == "The trash is empty.\n"
        assert not place.state.exists()

    def test_it_lists_both_sides_and_how_much_there_is(self, removed: Place) -> None:
        told = removed.json("trash", "list")
        assert [mirror["count"] for mirror in told["mirrors"]] == [2]
        assert {(one["side"], one["path"]) for one in told["trash"]} == {
            ("item", "01.png"), ("file", "02.png"),
        }  # fmt: skip
        assert removed.json("trash", "list", "m") == told
        text = removed("trash", "list", "--limit", "1").stdout
        assert "m: 2 pictures in the trash" in text
        assert "The newest 1 of 2 are listed; see --limit." in text
        assert "2 pictures in the trash" in removed("status").stdout
        assert removed("trash", "list", "nobody").exit_code == 78

    def test_pictures_come_back_by_their_ids(self, removed: Place) -> None:
        numbers = [str(one["id"]) for one in removed.json("trash", "list")["trash"]]
        result = removed("trash", "restore", *numbers)
        assert result.exit_code == 0, result.output
        assert "m: 01.png: on board 'Board' again" in result.stdout
        assert "m: 02.png: in the folder again" in result.stdout
        assert removed.on_board()["01.png"] == picture(1)
        assert tree(removed.folder)["02.png"] == picture(2)
        [told] = removed.json("once")["mirrors"]
        assert (told["uploaded"], told["downloaded"], told["trashed"]) == (0, 0, 0)
        again = removed("trash", "restore", numbers[0])
        assert again.exit_code == 1
        assert "not in the trash any more: it was restored" in again.stdout

    def test_all_of_a_run_comes_back(self, removed: Place) -> None:
        runs = [run for run in removed.json("history")["runs"] if run["trashed"]]
        for run in runs:
            told = removed.json("trash", "restore", "--run", str(run["id"]))["pictures"]
            assert [one["done"] for one in told] == [True] * run["trashed"]
        assert removed.json("trash", "list")["trash"] == []
        text = removed("trash", "restore", "--run", str(runs[0]["id"])).stdout
        assert "lies there now" in text

    @pytest.mark.parametrize(
        "arguments",
        [
            ("restore",),
            ("restore", "1", "--run", "1"),
            ("purge",),
            ("purge", "--all", "--older-than", "1d"),
            ("purge", "1", "--all"),
            ("purge", "--older-than", "soon", "--yes"),
            ("purge", "--all"),
        ],
    )
    def test_what_is_not_clear_is_not_done(
        self, removed: Place, arguments: tuple[str, ...]
    ) -> None:
        assert removed("trash", *arguments).exit_code == 2
        assert len(removed.json("trash", "list")["trash"]) == 2

    def test_purge_asks_on_a_terminal_showing_what_it_means(self, removed: Place) -> None:
        asked = on_terminal(("-c", str(removed.config), "trash", "purge", "--all"), "n")
        assert asked.returncode == 1
        assert "To be deleted for good: 2 pictures in the trash" in asked.stderr
        assert "  01.png (item of m)\n" in asked.stderr
        assert len(removed.json("trash", "list")["trash"]) == 2

    def test_purge_deletes_what_one_run_removed(self, removed: Place) -> None:
        lying = removed.json("trash", "list")["trash"]
        runs = {one["run"] for one in lying}
        assert removed.json("trash", "purge", "--run", "9999", "--yes") == {"pictures": []}
        for run in runs:
            told = removed.json("trash", "purge", "--run", str(run), "--yes")["pictures"]
            assert len(told) == sum(one["run"] == run for one in lying)
        assert removed.json("trash", "list")["trash"] == []

    def test_purge_deletes_what_was_chosen_for_good(self, removed: Place) -> None:
        [file] = [o for o in removed.json("trash", "list")["trash"] if o["side"] == "file"]
        told = removed.json("trash", "purge", str(file["id"]), "--yes")["pictures"]
        assert [(one["picture"], one["words"]) for one in told] == [("02.png", "deleted for good")]
        assert local_trash(removed) == {}
        assert removed("trash", "purge", str(file["id"]), "--yes").exit_code == 1
        assert removed.json("trash", "purge", "--older-than", "1 d", "--yes") == {"pictures": []}
        assert len(removed.json("trash", "purge", "--all", "--yes")["pictures"]) == 1
        assert removed.json("trash", "list")["trash"] == []


class TestUndo:
    def test_what_a_run_did_is_taken_back_and_the_next_plan_is_empty(self, place: Place) -> None:
        fill(place, 3)
        place.board_picture("output.png", seed=50)
        place.json("once")
        newest, oldest = place.json("history")["runs"]
        result = place("undo", str(newest["id"]))
        assert result.exit_code == 0, result.output
        assert f"Undoing run {newest['id']} of m is run {newest['id'] + 1}." in result.stdout
        assert "m: outputs/output.png: taken out of the folder, into the trash" in result.stdout
        result = place("undo", str(oldest["id"]))
        assert "m: 3 pictures: taken off its board, into the server's trash" in result.stdout
        assert set(place.on_board()) == {"output.png"}
        assert set(tree(place.folder)) == {"00.png", "01.png", "02.png"}
        assert local_trash(place) == {"output.png": picture(50)}
        assert place.json("plan")["actions"] == []

    def test_history_tells_of_it_and_of_what_was_removed(self, place: Place) -> None:
        fill(place, 2)
        [run] = place.json("history")["runs"]
        undone = place.json("undo", str(run["id"]))
        newest = place.json("history")["runs"][0]
        assert (newest["id"], newest["cause"], newest["trashed"]) == (
            undone["run"], f"undo of run {run['id']}", 2,
        )  # fmt: skip
        details = place.json("history", str(newest["id"]))
        assert {(one["path"], one["state"]) for one in details["trash"]} == {
            ("00.png", "trashed"), ("01.png", "trashed"),
        }  # fmt: skip
        assert "00.png" in place("history", str(newest["id"])).stdout
        place.json("undo", str(newest["id"]))
        restoring = place.json("history")["runs"][0]
        assert (restoring["trashed"], restoring["restored"]) == (0, 2)
        assert len(place.on_board()) == 2

    def test_what_it_could_not_is_told_line_by_line(self, place: Place) -> None:
        fill(place, 3)
        [run] = place.json("history")["runs"]
        put(place.boards / "Board", "01.png", picture(77))
        result = place("undo", str(run["id"]))
        assert result.exit_code == 1
        assert "m: 01.png: not done: kept: it was changed on the board since" in result.stdout
        assert place.on_board() == {"01.png": picture(77)}

    def test_repeating_it_says_that_nothing_is_left(self, place: Place) -> None:
        fill(place, 2)
        [run] = place.json("history")["runs"]
        place.json("undo", str(run["id"]))
        result = place("undo", str(run["id"]))
        assert result.exit_code == 0
        assert result.stdout == (
            f"Nothing of run {run['id']} is left to take back.\n"
            "m: in the trash already, or deleted from there: 2\n"
        )

    def test_an_unknown_run_is_told(self, place: Place) -> None:
        fill(place, 1)
        result = place("undo", "99")
        assert result.exit_code == 1
        assert result.stderr == "boardsync: there is no run 99 in the history\n"


class TestBesideTheDaemon:
    @pytest.fixture
    def running(self, place: Place) -> Iterator[tuple[Place, Daemon]]:
        fill(place)
        with place.daemon() as daemon:
            yield place, daemon

    def test_everything_is_asked_of_the_daemon(self, running: tuple[Place, Daemon]) -> None:
        place, daemon = running
        [sending] = place.json("history")["runs"]
        hold = empty(place)

        result = place("approve", str(hold["hold"]), "--yes")
        assert result.exit_code == 0, result.output
        assert "the daemon sees to it now" in result.stdout
        wait_until(lambda: len(place.on_board()) == 5, daemon.told)
        wait_until(lambda: len(place.json("trash", "list")["trash"]) == 15, daemon.told)

        entries = [one["id"] for one in place.json("trash", "list")["trash"]]
        told = place.json("trash", "restore", str(entries[0]))["pictures"]
        assert [one["done"] for one in told] == [True]
        told = place.json("trash", "purge", str(entries[1]), "--yes")["pictures"]
        assert [one["words"] for one in told] == ["deleted for good"]
        removals = [run for run in place.json("history")["runs"] if run["trashed"]]
        assert len(removals) == 1, (removals, daemon.told())
        [removing] = removals
        undone = place.json("undo", str(removing["id"]))
        assert [one["done"] for one in undone["told"]] == [True] * 13
        assert undone["remarks"] == ["removed, and deleted from the trash for good since: 1"]
        assert len(place.on_board()) == 19
        assert place("undo", "99").exit_code == 1
        assert place("dismiss", str(hold["hold"])).exit_code == 1
        assert place.json("undo", str(sending["id"]))["run"] is not None
        assert place.on_board() == {}
        assert place.pid() == daemon.process.pid


def test_what_they_print_as_json_is_json_alone(place: Place) -> None:
    fill(place, 2)
    [run] = place.json("history")["runs"]
    result = place("undo", str(run["id"]), "--json")
    assert json.loads(result.stdout)["mirror"] == "m"


@pytest.mark.parametrize(
    "command",
    ["undo", "approve", "restore", "dismiss", "history", "trash restore", "trash purge"],
)
def test_a_number_that_no_state_can_hold_is_a_mistake_of_the_command_line(
    place: Place, command: str
) -> None:
    place.json("once")
    result = place(*command.split(), str(2**64))
    assert result.exit_code == 2
    assert "is not in the range" in result.stderr
