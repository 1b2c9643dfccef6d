"""What was last seen of files and items, as the queries keep it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from boardsync.model import Action, ActionKind, Entry, FileStat, Item, Mark
from boardsync.plan.tokens import token_for
from boardsync.state import items_seen, links, observations, places, transfers
from state.state_kit import KEY, STAT, A, B, Small, small

OTHER_STAT = FileStat(size=11, mtime_ns=101, ctime_ns=101, inode=1)
TREE = [b"a-b.png", b"a.png", b"a/b.png", b"a/c/d.png", b"a0.png", b"b/\xff\n.png"]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    with small(tmp_path / "state.db") as made:
        yield made


def file(here: Small, path: bytes = b"a.png"):
    return here.ask(observations.find_file, here.mirror, path)


class TestFiles:
    def test_a_seen_file_waits_for_its_hashing(self, here: Small) -> None:
        here.do(observations.see_files, here.mirror, [(b"a.png", STAT)], 7)
        seen = file(here)
        assert (seen.size, seen.changed_ns, seen.hashed_ns, seen.digest) == (10, 7, None, None)
        assert here.ask(observations.unhashed_files, here.mirror, b"", 10) == [seen]

    def test_a_hashed_file_waits_for_nothing_until_it_changes(self, here: Small) -> None:
        here.put_file()
        assert here.ask(observations.unhashed_files, here.mirror, b"", 10) == []
        assert here.ask(observations.paths_of_digest, here.mirror, A) == [b"a.png"]

        here.do(observations.see_files, here.mirror, [(b"a.png", OTHER_STAT)], 9)
        # What the file was is not what it is: nobody may act on the old digest.
        assert here.ask(observations.paths_of_digest, here.mirror, A) == []
        assert [
            one.path for one in here.ask(observations.unhashed_files, here.mirror, b"", 10)
        ] == [b"a.png"]

    @pytest.mark.parametrize("field", FileStat.__slots__)
    def test_a_digest_of_another_file_than_the_one_seen_last_is_not_recorded(
        self, here: Small, field: str
    ) -> None:
        here.do(observations.see_files, here.mirror, [(b"a.png", STAT)], 7)
        stale = FileStat(**{name: getattr(STAT, name) - (name == field) for name in STAT.__slots__})
        assert not here.do(observations.note_digest, here.mirror, b"a.png", stale, A, 8)
        assert file(here).hashed_ns is None
        assert here.do(observations.note_digest, here.mirror, b"a.png", STAT, A, 8)
        assert (file(here).digest, file(here).hashed_ns) == (A, 8)

    def test_a_doubted_file_is_hashed_again(self, here: Small) -> None:
        here.put_file()
        here.do(observations.doubt_files, here.mirror, [b"a.png", b"nowhere.png"])
        assert (file(here).hashed_ns, file(here).changed_ns) == (None, 1000)

    def test_a_refusal_stands_until_the_file_changes_or_a_person_lifts_it(
        self, here: Small
    ) -> None:
        here.put_file()
        here.do(observations.refuse_file, here.mirror, b"a.png", "torn", 8)
        assert [
            (f.path, f.refusal) for f in here.ask(observations.refused_files, here.mirror, 9)
        ] == [(b"a.png", "torn")]
        assert here.do(observations.forgive, here.mirror, b"a.png")
        assert (file(here).refusal, file(here).hashed_ns) == (None, None)

        here.do(observations.refuse_file, here.mirror, b"a.png", "torn", 9)
        here.do(observations.see_files, here.mirror, [(b"a.png", OTHER_STAT)], 10)
        assert file(here).refusal is None
        assert not here.do(observations.forgive, here.mirror, b"nowhere.png")

    def test_forgotten_files_are_gone_and_the_others_stay(self, here: Small) -> None:
        for path in TREE:
            here.put_file(path)
        here.do(observations.forget_files, here.mirror, [b"a.png", b"nowhere.png"])
        left = [known[0] for known in here.ask(observations.known_files, here.mirror)]
        assert left == [path for path in TREE if path != b"a.png"]

    def test_known_files_come_in_byte_order_as_the_scan_does(self, here: Small) -> None:
        for path in reversed(TREE):
            here.put_file(path)
        known = here.ask(observations.known_files, here.mirror)
        assert [one[0] for one in known] == sorted(TREE) == TREE
        assert known[0][1:] == (10, 100, 100, 1, 1000)

    @pytest.mark.parametrize(
        ("below", "expected"),
        [
            (b"a", [b"a/b.png", b"a/c/d.png"]),
            (b"a/c", [b"a/c/d.png"]),
            (b"a.png", [b"a.png"]),
            (b"nowhere", []),
        ],
    )
    def test_known_files_below_a_path_are_that_file_or_that_folders(
        self, here: Small, below: bytes, expected: list[bytes]
    ) -> None:
        for path in TREE:
            here.put_file(path)
        known = here.ask(observations.known_files, here.mirror, below)
        assert [one[0] for one in known] == expected

    def test_mirrors_do_not_see_one_anothers_files(self, here: Small) -> None:
        other = here.do(places.mirror_id, "other")
        here.put_file()
        assert here.ask(observations.find_file, other, b"a.png") is None
        assert here.ask(observations.known_files, other) == []
        assert here.ask(observations.unhashed_files, other, b"", 10) == []

    def test_unhashed_files_are_read_in_batches(self, here: Small) -> None:
        found = [(path, STAT) for path in TREE]
        here.do(observations.see_files, here.mirror, found, 1)
        told, after = [], b""
        while batch := here.ask(observations.unhashed_files, here.mirror, after, 2):
            after = batch[-1].path
            told += [one.path for one in batch]
        assert told == TREE


MARK = Mark(KEY, token_for(KEY, A), A, B, "original", name="a\n\x1b.png")
ITEM = Item(
    "i1", "b1", version="1", width=3, height=4, created_ms=5, category="user", intermediate=True,
    starred=True, origin="external", extension=".webp", size=6,
)  # fmt: skip


class TestItems:
    def test_a_described_item_comes_back_as_it_went_in(self, here: Small) -> None:
        here.do(items_seen.describe_items, here.board.id, [(ITEM, MARK)])
        assert here.ask(items_seen.find_item, here.board.id, "i1") == (ITEM, MARK)
        assert here.ask(items_seen.find_item, here.board.id, "i2") is None

    def test_a_listed_item_is_unread_until_it_is_described(self, here: Small) -> None:
        here.do(items_seen.see_entries, here.board.id, [Entry("i1", "1"), Entry("i2", "1")])
        assert here.ask(places.has_unread, here.board.id)
        assert here.ask(items_seen.unread_items, here.board.id, 1) == ["i1"]
        assert here.ask(items_seen.unread_items, here.board.id, 9, "i1") == ["i2"]

        here.put_item("i1")
        here.put_item("i2")
        assert not here.ask(places.has_unread, here.board.id)

    def test_an_item_that_changed_is_read_again(self, here: Small) -> None:
        here.put_item("i1", "1")
        here.do(items_seen.see_entries, here.board.id, [Entry("i1", "2")])
        assert here.ask(items_seen.known_items, here.board.id) == {"i1": "2"}
        assert here.ask(items_seen.unread_items, here.board.id, 9) == ["i1"]

    def test_items_that_are_not_listed_any_more_are_forgotten_alone(self, here: Small) -> None:
        here.put_item("i1")
        here.put_item("i2")
        here.agree(item_id="i1")
        here.do(items_seen.forget_items, here.board.id, ["i1", "nowhere"])
        assert here.ask(items_seen.known_items, here.board.id) == {"i2": "1"}

    @pytest.mark.parametrize("item_id", ["zoë.png", "latin\udce9.png", "odd\ud800.png"])
    def test_any_name_that_a_disk_can_hold_is_a_name_of_an_item(
        self, here: Small, item_id: str
    ) -> None:
        here.do(items_seen.see_entries, here.board.id, [Entry(item_id, "1"), Entry("a", "1")])
        assert here.ask(items_seen.known_items, here.board.id) == {item_id: "1", "a": "1"}
        assert here.ask(items_seen.unread_items, here.board.id, 9, "a") == [item_id]
        here.put_item(item_id)
        assert here.ask(items_seen.find_item, here.board.id, item_id)[0].item_id == item_id

        here.agree(item_id=item_id)
        assert here.ask(links.is_linked, here.board.id, item_id)
        assert [o.item_id for o in here.ask(links.of_item, here.board.id, item_id)] == [item_id]
        pull = Action(ActionKind.DOWNLOAD, KEY, "new", item_id=item_id, version="1")
        here.do(transfers.plan_transfers, here.mirror, [(here.board.id, pull)], 5, 1)
        [moving] = here.ask(transfers.of_item, here.board.id, item_id)
        assert moving.item_id == item_id
        here.do(items_seen.forget_items, here.board.id, [item_id])
        assert here.ask(items_seen.find_item, here.board.id, item_id) is None

    def test_words_about_a_name_that_is_no_text_are_kept_readable(self, here: Small) -> None:
        words = "latin\udce9.png: cannot be read"
        here.put_file()
        here.do(observations.refuse_file, here.mirror, b"a.png", words, 8)
        assert file(here).refusal == r"latin\udce9.png: cannot be read"
        here.do(places.note_trouble, here.mirror, words, 3)
        here.do(places.note_trouble, here.mirror, words, 9)
        assert here.ask(places.trouble, here.mirror) == (file(here).refusal, 3)

    def test_nothing_to_do_is_no_error(self, here: Small) -> None:
        for query in (items_seen.see_entries, items_seen.forget_items,
                      items_seen.describe_items):  # fmt: skip
            here.do(query, here.board.id, [])
        for query in (observations.forget_files, observations.doubt_files):
            here.do(query, here.mirror, [])
        here.do(observations.see_files, here.mirror, [], 1)


def test_an_item_that_was_read_takes_its_mark_along_and_any_other_is_read_anew(
    here: Small,
) -> None:
    mark, old = Mark(KEY, token_for(KEY, A), A, A, ""), here.board.id
    new = here.do(places.bind_board, here.mirror, b"two", "two", "two").id
    here.do(items_seen.describe_items, old, [(Item("read.png", None, "1"), mark)])
    here.do(items_seen.see_entries, old, [Entry("unread.png", "1")])
    for name in ("read.png", "unread.png", "forgotten.png"):
        here.do(items_seen.carry_over, old, name, new, Item("new-" + name, None, "2"))

    assert here.ask(items_seen.known_items, old) == {}
    assert here.ask(items_seen.find_item, new, "new-read.png")[1] == mark
    unread = here.ask(items_seen.unread_items, new, 9)
    assert unread == ["new-forgotten.png", "new-unread.png"]
