"""Polling: what changed between two looks is hinted at, by name, and nothing else is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardsync.local.hints import Outbox
from boardsync.local.ignore import Rules
from boardsync.local.poll import Poller
from local.inbox import Inbox, wait_until
from places import fill, unprivileged


class Polling:
    """A folder that is polled, in a hurry."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inbox = Inbox()
        rules = Rules(ignore=["drafts/"])
        self.poller = Poller(os.fsencode(root), rules, Outbox(self.inbox.receive, rules), 0.01)

    def settle(self) -> None:
        """Wait until all that changed before this call was compared."""
        seen = self.poller.counts()["polls"]
        wait_until(lambda: self.poller.counts()["polls"] >= seen + 2)


@pytest.fixture
def polling(tmp_path: Path) -> Iterator[Polling]:
    fill(tmp_path, "a.png", "b.png", "set/c.png", "set/deep/d.png")
    polled = Polling(tmp_path)
    polled.poller.start()
    yield polled
    polled.poller.stop()
    assert polled.poller.trouble() is not None


def test_what_was_there_before_is_not_hinted_at(polling: Polling) -> None:
    fill(polling.root, "new.png")
    polling.inbox.wait_for_path(b"new.png")
    assert polling.inbox.paths == {b"new.png"}
    assert polling.poller.trouble() is None


def test_changed_files_are_hinted_at_by_name(polling: Polling) -> None:
    (polling.root / "set/c.png").write_bytes(b"another picture")
    (polling.root / "a.png").unlink()
    (polling.root / "b.png").rename(polling.root / "set/deep/moved.png")
    for path in (b"set/c.png", b"a.png", b"b.png", b"set/deep/moved.png"):
        polling.inbox.wait_for_path(path)
    assert polling.inbox.closed == set()


def test_a_rewrite_in_place_with_the_old_time_is_noticed(polling: Polling) -> None:
    path = polling.root / "a.png"
    before = path.stat()
    path.write_bytes(b"PICTURE")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    polling.inbox.wait_for_path(b"a.png")


def test_a_new_directory_is_one_hint(polling: Polling) -> None:
    staging = polling.root / ".staging"
    fill(staging, "1.png", "below/2.png", "below/3.png")
    polling.settle()
    staging.rename(polling.root / "fresh")
    polling.settle()
    assert polling.inbox.paths == {b"fresh"}
    fill(polling.root, "fresh/below/4.png")
    polling.settle()
    assert polling.inbox.paths == {b"fresh", b"fresh/below/4.png"}


def test_a_directory_that_went_is_one_hint(polling: Polling) -> None:
    shutil.move(polling.root / "set", polling.root / ".aside")
    polling.settle()
    assert polling.inbox.paths == {b"set"}


def test_what_the_rules_leave_alone_is_not_looked_at(polling: Polling) -> None:
    fill(polling.root, "drafts/x.png", ".git/y.png", "notes.txt", "new.png")
    polling.settle()
    assert polling.inbox.paths == {b"new.png"}


def test_changed_rules_ask_for_a_rescan(polling: Polling) -> None:
    (polling.root / ".boardsyncignore").write_text("x\n")
    polling.inbox.wait_for_rescan()


def test_symlinks_are_not_followed_in_circles(polling: Polling) -> None:
    (polling.root / "set/loop").symlink_to(polling.root)
    fill(polling.root, "set/deep/new.png")
    polling.inbox.wait_for_path(b"set/deep/new.png")
    assert polling.inbox.paths == {b"set/deep/new.png"}


def test_an_unreadable_directory_is_not_a_deletion(shared: Path) -> None:
    fill(shared, "shut/a.png", "shut/deep/b.png", "open/c.png", "gone/d.png")
    polled = Polling(shared)
    polled.poller.start()
    try:
        (shared / "shut").chmod(0)
        shutil.rmtree(shared / "gone")
        with unprivileged():
            polled.settle()
        (shared / "shut").chmod(0o755)
        polled.settle()
        assert polled.inbox.paths == {b"gone"}
    finally:
        polled.poller.stop()


def test_a_folder_that_is_away_for_a_while_gives_no_flood(polling: Polling) -> None:
    aside = polling.root.with_name(polling.root.name + "-aside")
    polling.root.rename(aside)
    polling.settle()
    aside.rename(polling.root)
    fill(polling.root, "new.png")
    polling.settle()
    assert polling.inbox.paths == {b"new.png"}
    assert polling.inbox.reasons == []
