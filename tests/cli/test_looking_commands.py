"""status, why, history and again: what they say is true, parseable, and harmless to a terminal."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from boardsync.plan.settling import CLOCK_GRANULARITY_NS
from cli.place_kit import Place, picture, put, wait_until

HOSTILE = b"new\nline\x1b[31m\xff [bold].png"
SHOWN = r"new\nline\x1b[31m\xff [bold].png"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def harmless(text: str) -> None:
    """Check that text holds nothing that a terminal obeys."""
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def refusals_in_history(place: Place) -> int:
    """Return how often a picture was refused so far."""
    return sum(run["refused"] for run in place.json("history")["runs"])


class TestStatus:
    def test_before_the_first_run_it_says_so_and_makes_nothing(self, place: Place) -> None:
        told = place.json("status")
        assert told["daemon"] is None
        assert told["state"] == str(place.state)
        [mirror] = told["mirrors"]
        assert (mirror["condition"], mirror["synced"], mirror["boards"]) == ("never run", 0, [])
        assert "never run" in place("status").stdout
        assert not place.state.parent.exists()

    def test_before_and_after_the_first_run_the_answer_has_one_shape(self, place: Place) -> None:
        before = place.json("status")
        place.picture("a.png")
        place.json("once")
        after = place.json("status")
        assert after.keys() == before.keys()
        assert after["mirrors"][0].keys() == before["mirrors"][0].keys()

    def test_synced_is_what_is_on_both_sides(self, place: Place) -> None:
        place.believe_at_once()
        place.picture("a.png", seed=1)
        place.picture("b.png", seed=2)
        place.json("once")
        [mirror] = place.json("status")["mirrors"]
        assert (mirror["condition"], mirror["files"], mirror["items"], mirror["synced"]) == (
            "synced", 2, 2, 2,
        )  # fmt: skip
        (place.boards / "Board" / "a.png").unlink()
        place.json("once")
        assert place.json("status")["mirrors"][0]["synced"] == 1

    def test_a_refused_picture_is_named_with_its_reason_and_nothing_claims_to_be_whole(
        self, place: Place
    ) -> None:
        put(place.folder, HOSTILE, picture(1)[:-20])
        place.json("once")
        [mirror] = place.json("status")["mirrors"]
        assert (mirror["condition"], mirror["refused"], mirror["synced"]) == ("incomplete", 1, 0)
        [refusal] = mirror["refusals"]
        # JSON holds a line end, but no byte that is not UTF-8.
        assert refusal["path"] == HOSTILE.decode("utf-8", "backslashreplace")
        text = place("status").stdout
        assert f"{SHOWN} cannot be sent: " in text
        harmless(text)

    def test_a_server_that_is_away_is_told_with_the_reason_and_since_when(
        self, place: Place
    ) -> None:
        place.picture("a.png")
        place.json("once")
        away = place.boards.rename(place.base / "unmounted")
        place.boards.mkdir()
        place.json("once", code=75)
        [mirror] = place.json("status")["mirrors"]
        assert mirror["condition"] == "waiting"
        assert "seems not to be mounted" in mirror["trouble"]
        assert "m waits since 2" in place("status").stdout
        place.boards.rmdir()
        away.rename(place.boards)
        place.json("once")
        assert place.json("status")["mirrors"][0]["trouble"] is None


class TestWhy:
    @pytest.fixture
    def synced(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
        place.picture("sub/a.png", seed=1)
        place.json("once")
        place.board_picture("output.png", seed=2)
        place.json("once")
        monkeypatch.chdir(place.base)
        return place

    @pytest.mark.parametrize("subject", ["sub/a.png", "pictures/sub/a.png", "./sub//a.png"])
    def test_a_path_means_the_mirrors_folder_or_where_one_stands(
        self, synced: Place, subject: str
    ) -> None:
        [told] = [one for one in synced.json("why", subject) if "path" in one]
        assert (told["path"], told["verdict"]) == ("sub/a.png", "synced: it is item sub/a.png")
        assert told["observation"]["digest"] == told["links"][0]["digest"]

    @pytest.mark.parametrize("subject", [".", "..", "sub", "pictures", "pictures/sub"])
    def test_a_folder_is_told_to_be_none_of_its_subjects(self, synced: Place, subject: str) -> None:
        for name in (subject, str(synced.folder)):
            result = synced("why", name)
            assert result.exit_code == 1
            assert f"{name!r} is a folder; this tells of one file or one item" in result.stderr

    def test_nothing_is_no_subject(self, synced: Place) -> None:
        result = synced("why", "")
        assert result.exit_code == 2
        assert "PATH|ITEM is empty" in result.stderr

    def test_an_absolute_path_will_do_also_through_a_symlink(self, synced: Place) -> None:
        link = synced.base / "link"
        link.symlink_to(synced.folder)
        synced.config.write_text(synced.config.read_text().replace("/pictures", "/link"))
        for folder in (synced.folder, link):
            told = synced.json("why", str(folder / "sub" / "a.png"))
            assert told[0]["path"] == "sub/a.png"
        synced.json("why", str(synced.base / "elsewhere.png"), code=1)

    def test_a_pulled_file_and_its_item_name_each_other(self, synced: Place) -> None:
        [told] = synced.json("why", "output.png")
        assert told["verdict"] == "agreed: it is outputs/output.png"
        [told] = synced.json("why", "outputs/output.png")
        assert told["links"][0]["made"] == "pull"

    def test_what_waits_for_the_next_pass_is_told_by_the_planners_own_words(
        self, synced: Place
    ) -> None:
        synced.configure(mirror="direction: push")
        synced.board_picture("another.png", seed=3)
        synced.json("once")
        assert synced.json("why", "another.png")[0]["verdict"] == (
            "not pulled: this mirror only pushes"
        )
        synced.configure(mirror="pull: {since: 2999-01-01}")
        assert synced.json("why", "another.png")[0]["verdict"] == "not pulled: older than `since`"
        synced.configure()
        assert synced.json("why", "another.png")[0]["verdict"] == (
            "new on the board: the next pass fetches it"
        )

    def test_files_that_are_not_sent_say_why(self, synced: Place) -> None:
        synced.believe_at_once()
        synced.picture("torn.png", content=picture(5)[:-20])
        put(synced.folder / "outputs", "own.png", picture(6))
        synced.json("once")
        assert synced.json("why", "torn.png")[0]["verdict"].startswith("not sent: ")
        assert synced.json("why", "outputs/own.png")[0]["verdict"] == (
            "not sent: it lies where pulled pictures go; no item is known that it was pulled from"
        )
        (synced.folder / "sub" / "a.png").unlink()
        synced.json("once")
        assert synced.json("why", "sub/a.png")[0]["verdict"].startswith("not in the folder")

    def test_what_nobody_knows_is_an_empty_answer_and_exit_code_1(self, synced: Place) -> None:
        assert synced.json("why", "nowhere.png", code=1) == []
        result = synced("why", "nowhere\n\x1b.png")
        assert result.exit_code == 1
        harmless(result.stderr)

    def test_hostile_names_are_found_and_shown_harmless(self, place: Place) -> None:
        put(place.folder, HOSTILE, picture(1))
        place.json("once")
        name = os.fsdecode(HOSTILE)
        told = place.json("why", name)
        assert [one.get("path") or one["item"] for one in told] == [
            HOSTILE.decode("utf-8", "backslashreplace")
        ] * 2
        text = place("why", name).stdout
        assert text.startswith(f"{SHOWN}  [m]\n  synced: it is item {SHOWN}\n")
        harmless(text)


class TestHistory:
    def test_runs_are_listed_newest_first_with_what_they_did(self, place: Place) -> None:
        place.picture("a.png", seed=1)
        place.json("once")
        place.picture("b.png", seed=2)
        place.json("once")
        place.json("once")
        newest, oldest = place.json("history")["runs"]
        # The third pass had nothing to do.
        assert newest["id"] > oldest["id"]
        assert (newest["mirror"], newest["cause"], newest["uploaded"]) == ("m", "asked", 1)
        assert place.json("history", "--limit", "1")["runs"] == [newest]
        details = place.json("history", str(oldest["id"]))
        assert [link["path"] for link in details["links"]] == ["a.png"]
        assert place.json("history", "--mirror", "m")["runs"] == [newest, oldest]

    def test_text_is_for_people_and_harmless(self, place: Place) -> None:
        put(place.folder, HOSTILE, picture(1))
        place.json("once")
        for arguments in ((), ("1",)):
            text = place("history", *arguments).stdout
            harmless(text)
        assert SHOWN in text

    def test_strangers_are_told(self, place: Place) -> None:
        assert place.json("history") == {"runs": []}
        place.json("once")
        result = place("history", "99")
        assert result.exit_code == 1
        assert "no run 99" in result.stderr
        result = place("history", "--mirror", "mm")
        assert result.exit_code == 78
        assert "no mirror is called 'mm'; there are: m; did you mean 'm'?" in result.stderr
        assert place("history", "--limit", "0").exit_code == 2


class TestAgain:
    def test_a_refused_picture_is_tried_again(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(place.folder, HOSTILE, picture(1)[:-20])
        # A younger one could change unseen, and is looked at once more by itself.
        written = os.stat(os.fsencode(place.folder) + b"/" + HOSTILE).st_ctime_ns
        wait_until(lambda: time.time_ns() - written > CLOCK_GRANULARITY_NS)
        place.json("once")
        place.json("once")
        assert refusals_in_history(place) == 1
        monkeypatch.chdir(place.base)
        subjects = (
            HOSTILE,
            b"pictures/" + HOSTILE,
            os.fsencode(place.folder) + b"/" + HOSTILE,
        )
        for times, subject in enumerate(subjects, 2):
            told = place.json("again", os.fsdecode(subject))
            assert told == {"m": ["the file is looked at again"]}
            assert place.json("once")["mirrors"][0]["refused"] == 1
            assert refusals_in_history(place) == times

    def test_what_nobody_knows_is_told(self, place: Place) -> None:
        place.json("once")
        result = place("again", "nowhere\n\x1b.png")
        assert result.exit_code == 1
        harmless(result.stderr)
        assert place.json("again", "nowhere.png", code=1) == {}

    def test_a_whole_mirror_is_started_anew_by_its_name(self, place: Place) -> None:
        place.believe_at_once()
        put(place.folder, b"a.png", picture(1))
        place.json("once")
        (place.boards / "Board" / "a.png").unlink()
        place.json("once")

        told = place.json("again", "--all", "m")

        assert told == {"m": ["links with one side only are forgotten: 1"]}
        assert place.json("once")["mirrors"][0]["uploaded"] == 1
        assert "nothing keeps any picture of 'm' back" in place("again", "--all", "m").stderr
        assert place("again", "--all", "nobody").exit_code == 78
        assert place("again", "--all", "m", "a.png").exit_code == 2
        assert place("again").exit_code == 2
