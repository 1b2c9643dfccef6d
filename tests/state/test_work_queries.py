"""Links, transfers, boards, runs and counts, as the queries keep them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from boardsync.model import Action, ActionKind, LinkState, TransferState
from boardsync.plan.layout import Layout
from boardsync.state import items_seen, links, observations, places, runs, summary, transfers
from boardsync.state.records import Tally, TransferRecord
from state.state_kit import KEY, A, B, Small, small


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    with small(tmp_path / "state.db") as made:
        yield made


def states(here: Small, path: bytes = b"a.png") -> dict[str, str]:
    """Return a path's links: item to state."""
    return {one.item_id: one.state for one in here.ask(links.of_path, here.mirror, path)}


class TestLinks:
    def test_agreeing_twice_is_agreeing_once(self, here: Small) -> None:
        assert here.agree(now_ms=5, recipe="original") == here.agree(now_ms=6)
        [link] = here.ask(links.of_path, here.mirror, b"a.png")
        assert (link.state, link.since_ms, link.recipe) == (LinkState.AGREED, 6, "original")

    def test_new_content_supersedes_the_old_and_the_old_can_come_back(self, here: Small) -> None:
        here.agree(item_id="old", digest=A)
        here.agree(item_id="new", digest=B)
        assert states(here) == {"old": "superseded", "new": "agreed"}
        here.agree(item_id="old", digest=A)
        assert states(here) == {"old": "agreed", "new": "superseded"}

    def test_a_path_agrees_with_one_item_of_a_board_at_a_time(self, here: Small) -> None:
        here.agree(item_id="i1")
        here.agree(item_id="i2")
        assert states(here) == {"i1": "superseded", "i2": "agreed"}

    def test_many_agreements_at_once_are_those_made_one_by_one(self, here: Small) -> None:
        here.agree(b"known.png", item_id="old", digest=A)
        before = here.ask(links.changes, here.mirror)
        news = [
            here.new(path, item_id=item_id, digest=digest)
            for path, item_id, digest in (
                (b"known.png", "new", B), (b"1.png", "i1", A), (b"twice.png", "i2", A),
                (b"2.png", "i1", A), (b"twice.png", "i3", B),
            )
        ]  # fmt: skip

        here.do(links.agree_all, news, 7)

        assert states(here, b"known.png") == {"old": "superseded", "new": "agreed"}
        assert states(here, b"twice.png") == {"i2": "superseded", "i3": "agreed"}
        assert states(here, b"1.png") == states(here, b"2.png") == {"i1": "agreed"}
        assert here.ask(links.of_path, here.mirror, b"1.png")[0].since_ms == 7
        assert here.ask(links.changes, here.mirror) > before

    def test_other_paths_and_other_boards_are_not_superseded(self, here: Small) -> None:
        other = here.do(places.bind_board, here.mirror, b"s", "b2", "s")
        here.agree(b"copy.png", item_id="i1")
        here.agree(board=other.id, item_id="i1")
        here.agree(item_id="i1")
        assert states(here, b"copy.png") == {"i1": "agreed"}
        found = here.ask(links.of_digest, here.mirror, A)
        assert [one.state for one in found] == ["agreed"] * 3

    def test_links_are_found_from_both_sides_newest_first(self, here: Small) -> None:
        here.agree(b"a.png", run=7)
        here.agree(b"b.png", run=7)
        assert [one.path for one in here.ask(links.of_item, here.board.id, "i1")] == [
            b"b.png", b"a.png",
        ]  # fmt: skip
        assert [one.path for one in here.ask(links.of_run, 7, 10)] == [b"a.png", b"b.png"]
        assert here.ask(links.is_linked, here.board.id, "i1")
        assert not here.ask(links.is_linked, here.board.id, "i2")

    def test_a_superseded_item_belongs_to_nobody(self, here: Small) -> None:
        here.agree(item_id="old", digest=A)
        here.agree(item_id="new", digest=B)
        assert not here.ask(links.is_linked, here.board.id, "old")

    def test_the_last_change_of_a_paths_links_is_known(self, here: Small) -> None:
        here.agree(digest=A, now_ms=5)
        here.agree(digest=B, item_id="i2", now_ms=9)
        asked = [b"a.png", b"never.png"]
        assert here.ask(links.linked_since, here.mirror, asked) == {b"a.png": 9}

    def test_a_forgotten_link_is_gone(self, here: Small) -> None:
        here.do(links.forget, here.agree().number)
        assert states(here) == {}


def upload(path: bytes = b"a.png", token: str = "t1") -> Action:
    return Action(ActionKind.UPLOAD, KEY, "new", path=path, digest=A, token=token)


def download(item_id: str = "i1", version: str = "1") -> Action:
    return Action(ActionKind.DOWNLOAD, KEY, "new", item_id=item_id, version=version)


class TestTransfers:
    def plan(self, here: Small, *actions: Action) -> int:
        pairs = [(here.board.id, action) for action in actions]
        added: int = here.do(transfers.plan_transfers, here.mirror, pairs, 5, 1)
        return added

    def waiting(self, here: Small) -> list[TransferRecord]:
        found: list[TransferRecord] = here.ask(transfers.waiting, [here.mirror])
        return found

    def test_a_planned_transfer_waits_with_its_reason(self, here: Small) -> None:
        assert self.plan(here, upload(), download()) == 2
        up, down = self.waiting(here)
        assert (up.kind, up.state, up.reason, up.path, up.digest, up.token) == (
            ActionKind.UPLOAD, TransferState.READY, "new", b"a.png", A, "t1",
        )  # fmt: skip
        assert (down.kind, down.item_id, down.version) == (ActionKind.DOWNLOAD, "i1", "1")
        assert here.ask(transfers.count, [here.mirror]) == 2

    def test_planning_again_adds_nothing_while_it_is_under_way(self, here: Small) -> None:
        self.plan(here, upload(), download())
        number = self.waiting(here)[0].id
        for state in ("ready", "sending", "unknown", "placing"):
            here.do(transfers.change, number, 6, state=state)
            assert self.plan(here, upload(b"copy.png"), download(version="2")) == 0

    def test_a_refused_transfer_does_not_stand_in_the_way_of_new_content(self, here: Small) -> None:
        self.plan(here, upload())
        here.do(transfers.change, self.waiting(here)[0].id, 6, state="refused", error="torn")
        assert self.waiting(here) == []
        assert self.plan(here, upload()) == 1

    def test_only_what_is_due_goes_and_the_oldest_first(self, here: Small) -> None:
        self.plan(here, *(upload(token=f"t{number}") for number in range(4)))
        first, second, third, fourth = self.waiting(here)
        here.do(transfers.change, second.id, 6, not_before_ms=100)
        due = here.ask(transfers.due, [here.mirror], [ActionKind.UPLOAD], 99, [fourth.id], 10)
        assert [one.id for one in due] == [first.id, third.id]
        assert here.ask(transfers.due, [here.mirror], [ActionKind.DOWNLOAD], 99, [], 10) == []
        others = [first.id, third.id, fourth.id]
        assert here.ask(transfers.next_due_ms, [here.mirror], besides=others) == 100
        assert here.ask(transfers.next_due_ms, [here.mirror], [ActionKind.DOWNLOAD]) is None
        assert here.ask(transfers.next_due_ms, [here.mirror], boards=[here.board.id + 1]) is None
        here.do(transfers.hurry, [here.mirror])
        assert here.ask(transfers.next_due_ms, [here.mirror]) == 0
        for one in (first, second, third, fourth):
            here.do(transfers.finish, one.id)
        assert here.ask(transfers.next_due_ms, [here.mirror]) is None

    def test_forgetting_refusals_is_for_one_subject_alone(self, here: Small) -> None:
        self.plan(here, upload(b"a.png", "t1"), upload(b"b.png", "t2"), download("i1"))
        for one in self.waiting(here):
            here.do(transfers.change, one.id, 6, state="refused")
        assert here.do(transfers.forget_refusals, here.mirror, b"a.png", None) == 1
        assert here.do(transfers.forget_refusals, here.mirror, None, "i1", here.board.id) == 1
        assert len(here.ask(transfers.of_path, here.mirror, b"b.png")) == 1


class TestBoards:
    def test_a_subfolder_has_one_board_and_earlier_ones_keep_their_links(self, here: Small) -> None:
        here.agree()
        new = here.do(places.bind_board, here.mirror, b"", "b2", "other")
        assert here.ask(places.board_for, here.mirror, b"") == new
        assert here.ask(places.boards, here.mirror) == [new]
        assert states(here) == {"i1": "agreed"}

    def test_going_back_to_a_board_finds_its_links_again(self, here: Small) -> None:
        here.do(places.bind_board, here.mirror, b"", "b2", "other")
        back = here.do(places.bind_board, here.mirror, b"", "b1", "renamed")
        assert (back.id, back.name) == (here.board.id, "renamed")

    def test_uncategorized_is_a_board_like_any_other(self, here: Small) -> None:
        first = here.do(places.bind_board, here.mirror, b"", None, "Uncategorized")
        assert first.server_id is None
        assert here.do(places.bind_board, here.mirror, b"", None, "Uncategorized") == first

    def test_what_was_to_travel_to_a_former_board_is_forgotten(self, here: Small) -> None:
        """It could never end: its board does not exist, and it kept its file from being planned."""
        pairs = [(here.board.id, upload()), (here.board.id, download())]
        here.do(transfers.plan_transfers, here.mirror, pairs, 5, 1)
        here.do(places.bind_board, here.mirror, b"", "b1", "board")
        assert here.ask(transfers.count, [here.mirror]) == 2
        here.do(places.bind_board, here.mirror, b"", "b2", "board")
        assert here.ask(transfers.count, [here.mirror]) == 0

    def test_other_subfolders_keep_what_is_to_travel(self, here: Small) -> None:
        other = here.do(places.bind_board, here.mirror, b"s", "b2", "s")
        here.do(transfers.plan_transfers, here.mirror, [(other.id, upload(b"s/a.png"))], 5, 1)
        here.do(places.bind_board, here.mirror, b"", "b3", "board")
        assert here.ask(transfers.count, [here.mirror]) == 1

    def test_a_missing_board_is_missing_since_the_first_moment(self, here: Small) -> None:
        here.do(places.note_listing, here.board.id, "d", 3, 0.5)
        here.do(places.note_board_missing, here.board.id, 4)
        here.do(places.note_board_missing, here.board.id, 9)
        missing = here.ask(places.board_by_id, here.board.id)
        assert (missing.missing_since_ms, missing.listing_digest) == (4, None)
        here.do(places.note_listing, here.board.id, "d", 10, 0.5)
        assert here.ask(places.board_by_id, here.board.id).missing_since_ms is None

    def test_forgotten_listings_are_parsed_again(self, here: Small) -> None:
        assert not here.ask(places.any_listed, [KEY])
        here.do(places.note_listing, here.board.id, "d", 3, 0.5)
        here.do(places.forget_listings, here.mirror)
        assert here.ask(places.board_by_id, here.board.id).listing_digest is None
        assert here.ask(places.any_listed, [KEY])
        assert not here.ask(places.any_listed, ["other"])

    def test_a_trouble_is_told_since_it_began(self, here: Small) -> None:
        assert here.ask(places.trouble, here.mirror) is None
        here.do(places.note_trouble, here.mirror, "away", 3)
        here.do(places.note_trouble, here.mirror, "away", 9)
        assert here.ask(places.trouble, here.mirror) == ("away", 3)
        here.do(places.note_trouble, here.mirror, "still away, for another reason", 10)
        assert here.ask(places.trouble, here.mirror)[1] == 10
        here.do(places.note_trouble, here.mirror, None, 11)
        assert here.ask(places.trouble, here.mirror) is None

    def test_a_mirror_keeps_its_number(self, here: Small) -> None:
        assert here.do(places.mirror_id, KEY) == here.mirror
        assert here.ask(places.find_mirror, "never run") is None


class TestRuns:
    def test_a_run_adds_up_and_the_newest_comes_first(self, here: Small) -> None:
        first = here.do(runs.begin, here.mirror, "start", 1)
        second = here.do(runs.begin, here.mirror, "asked", 2)
        here.do(runs.count, first, 5, uploaded=1)
        here.do(runs.count, first, 7, uploaded=2, refused=1)
        here.do(runs.count, second, 8, moved=1, trashed=2)
        newest, oldest = here.ask(runs.history, None, 10)
        assert (newest.cause, newest.mirror) == ("asked", KEY)
        assert (newest.moved, newest.trashed) == (1, 2)
        assert (oldest.uploaded, oldest.refused, oldest.ended_ms) == (3, 1, 7)
        assert here.ask(runs.history, here.mirror, 1) == [newest]
        assert here.ask(runs.find, first) == oldest
        assert here.ask(runs.find, 99) is None
        assert here.ask(runs.totals, here.mirror)["uploaded"] == 3

    def test_what_nobodys_run_did_is_counted_nowhere(self, here: Small) -> None:
        here.do(runs.count, None, 5, uploaded=1)
        assert here.ask(runs.history, None, 10) == []

    def test_old_runs_are_forgotten_and_their_pictures_are_not(self, here: Small) -> None:
        for moment in (1, 9):
            number = here.do(runs.begin, here.mirror, "start", moment)
            here.do(runs.count, number, moment, uploaded=1)
            here.agree(f"{number}.png".encode(), run=number)
        assert here.do(runs.prune, 5) == 1
        assert [run.started_ms for run in here.ask(runs.history, None, 10)] == [9]
        assert len(here.ask(links.of_digest, here.mirror, A)) == 2


class TestTally:
    def tally(self, here: Small) -> Tally:
        told: Tally = here.ask(summary.tally, here.mirror, Layout())
        return told

    @pytest.fixture
    def agreed(self, here: Small) -> Small:
        here.put_file()
        here.put_item()
        here.agree()
        assert self.tally(here) == Tally(files=1, items=1, synced=1)
        return here

    def test_synced_ends_when_the_listing_does_not_show_the_item(self, agreed: Small) -> None:
        agreed.do(items_seen.forget_items, agreed.board.id, ["i1"])
        assert (self.tally(agreed).synced, self.tally(agreed).items) == (0, 0)

    def test_synced_ends_when_the_item_is_another_version(self, agreed: Small) -> None:
        agreed.put_item(version="2")
        assert self.tally(agreed).synced == 0

    def test_synced_ends_when_the_file_changes_or_goes(self, agreed: Small) -> None:
        agreed.put_file(digest=B)
        assert self.tally(agreed).synced == 0
        agreed.put_file(digest=A)
        agreed.do(observations.doubt_files, agreed.mirror, [b"a.png"])
        assert (self.tally(agreed).synced, self.tally(agreed).settling) == (0, 1)
        agreed.do(observations.forget_files, agreed.mirror, [b"a.png"])
        assert (self.tally(agreed).synced, self.tally(agreed).files) == (0, 0)

    def test_synced_ends_when_the_board_is_gone_or_another_one_is_used(self, agreed: Small) -> None:
        agreed.do(places.note_board_missing, agreed.board.id, 9)
        assert self.tally(agreed).synced == 0
        agreed.do(places.bind_board, agreed.mirror, b"", "b2", "other")
        assert (self.tally(agreed).synced, self.tally(agreed).items) == (0, 0)

    def test_apart_is_a_linked_picture_of_which_one_side_is_left(self, agreed: Small) -> None:
        agreed.do(items_seen.forget_items, agreed.board.id, ["i1"])
        assert self.tally(agreed).apart == 1
        agreed.do(observations.forget_files, agreed.mirror, [b"a.png"])
        # With both sides gone there is nothing left to tell.
        assert self.tally(agreed).apart == 0
        agreed.put_item()
        assert self.tally(agreed).apart == 1
        agreed.put_file()
        assert (self.tally(agreed).apart, self.tally(agreed).synced) == (0, 1)

    def test_what_waits_fails_or_is_refused_is_counted(self, here: Small) -> None:
        here.put_file()
        here.do(observations.refuse_file, here.mirror, b"a.png", "torn", 8)
        pairs = [(here.board.id, upload(token=token)) for token in ("t1", "t2")]
        here.do(transfers.plan_transfers, here.mirror, pairs, 5, 1)
        here.do(transfers.change, 1, 6, error="busy")
        told = self.tally(here)
        assert (told.refused, told.waiting, told.failing, told.oldest_waiting_ms) == (1, 2, 1, 5)

    def test_other_mirrors_do_not_count(self, agreed: Small) -> None:
        other = agreed.do(places.mirror_id, "other")
        assert agreed.ask(summary.tally, other, Layout()) == Tally()
