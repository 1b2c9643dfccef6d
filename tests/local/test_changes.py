"""Whether anything changes below a directory: told by the real kernel, and never when in doubt."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boardsync.local.changes import REST, Changes
from boardsync.local.native import LimitReached, NativeWatch
from boardsync.local.watch import Surroundings
from local.inbox import PATIENCE, wait_until


class Bell:
    """Counts how often it was rung, from any thread."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        self._rung.set()

    def wait(self) -> None:
        assert self._rung.wait(PATIENCE), "nothing was told"
        self._rung.clear()

    def quiet(self) -> bool:
        return not self._rung.is_set()

    def clear(self) -> None:
        self._rung.clear()


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def changes(root: Path, bell: Bell) -> Iterator[Changes]:
    before = set(threading.enumerate())
    made = Changes(root, bell)
    yield made
    made.close()
    wait_until(lambda: set(threading.enumerate()) <= before)


def rename(root: Path) -> None:
    (root / "deep" / "a.png").rename(root / "b.png")


@pytest.mark.parametrize(
    "happens",
    [
        lambda root: (root / "new.png").write_bytes(b"picture"),
        lambda root: (root / "deep" / "new.png").write_bytes(b"picture"),
        lambda root: (root / "deep" / "a.png").unlink(),
        lambda root: os.utime(root / "deep" / "a.png", ns=(1, 1)),
        lambda root: (root / "more").mkdir(),
        rename,
    ],
)
def test_whatever_happens_to_pictures_is_told(
    root: Path, changes: Changes, bell: Bell, happens: Callable[[Path], object]
) -> None:
    (root / "deep").mkdir()
    (root / "deep" / "a.png").write_bytes(b"picture")
    changes.check()
    assert changes.live
    bell.clear()
    happens(root)
    bell.wait()


def test_the_beginning_is_told_since_nobody_knows_what_was_before(
    changes: Changes, bell: Bell
) -> None:
    changes.check()
    assert not bell.quiet()
    bell.clear()
    changes.check()
    assert bell.quiet()


def test_looking_and_what_is_hidden_are_no_changes(
    root: Path, changes: Changes, bell: Bell
) -> None:
    (root / "a.png").write_bytes(b"picture")
    changes.check()
    bell.clear()
    rung = bell.count
    (root / "a.png").read_bytes()
    (root / ".boardsync-mark").write_bytes(b"{}")
    os.listdir(root)
    (root / ".boardsync-mark").unlink()
    (root / "a.png").unlink()  # comes after them in the kernel's queue
    bell.wait()
    assert bell.count == rung + 1


def test_a_directory_that_is_gone_is_told_and_not_live_until_it_is_back(
    root: Path, changes: Changes, bell: Bell
) -> None:
    changes.check()
    shutil.rmtree(root)
    bell.clear()
    changes.check()
    assert not changes.live
    assert not bell.quiet()
    root.mkdir()
    bell.clear()
    changes.check()
    assert changes.live
    assert not bell.quiet()


def test_another_directory_in_its_place_is_watched_instead(
    root: Path, changes: Changes, bell: Bell
) -> None:
    changes.check()
    root.rename(root.with_name("old"))
    root.mkdir()
    changes.check()
    bell.clear()
    (root / "a.png").write_bytes(b"picture")
    bell.wait()


def test_a_network_filesystem_is_never_live(root: Path, bell: Bell) -> None:
    changes = Changes(root, bell, Surroundings(mount_kind=lambda _: "nfs4"))
    changes.check()
    assert not changes.live


def test_where_watches_are_used_up_it_is_tried_again_only_after_a_while(
    root: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def full(_: NativeWatch) -> None:
        tries.append(1)
        raise LimitReached("fs.inotify.max_user_watches")

    with monkeypatch.context() as patched:
        patched.setattr(NativeWatch, "start", full)
        for _ in range(REST):
            changes.check()
        assert len(tries) == 1
        assert not changes.live
    changes.check()
    assert changes.live


def test_a_closed_one_stays_closed(changes: Changes) -> None:
    changes.check()
    changes.close()
    changes.check()
    assert not changes.live
