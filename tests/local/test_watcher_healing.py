"""The watcher heals: whatever happens to folder, threads and kernel, hints come again."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyFD

from boardsync.local.watch import Hint, Rescan, Surroundings, Watcher
from local.inbox import Inbox, Make, wait_until
from local.overflow import overflow_the_queue
from places import in_namespace, unprivileged


def threads_of(kind: type[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if isinstance(thread, kind)]


def test_a_healthy_watch_is_left_alone(root: Path, inbox: Inbox, make: Make) -> None:
    watcher = make(root)
    threads = set(threading.enumerate())
    for _ in range(300):
        watcher.check()
    assert set(threading.enumerate()) == threads
    assert inbox.reasons == []
    assert watcher.stats() == {
        "hints": 0,
        "rescans": 0,
        "failures": 0,
        "restarts": 0,
        "overflows": 0,
        "limits": 0,
        "stop_errors": 0,
        "polls": 0,
    }


def test_a_folder_deleted_and_made_again_is_watched_again(
    root: Path, inbox: Inbox, make: Make
) -> None:
    watcher = make(root)
    shutil.rmtree(root)
    watcher.check()
    assert watcher.watching == "away"
    assert "missing" in inbox.reasons[0]
    watcher.check()
    assert len(inbox.reasons) == 1
    root.mkdir()
    watcher.check()
    assert watcher.watching == "native"
    assert inbox.reasons[1:] == ["watching began anew: the folder is there again"]
    (root / "a.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"a.png")


def test_a_folder_made_again_between_two_checks_is_watched_again(
    root: Path, inbox: Inbox, make: Make
) -> None:
    watcher = make(root)
    shutil.rmtree(root)
    root.mkdir()

    def healed() -> bool:
        watcher.check()
        return bool(inbox.reasons)

    wait_until(healed)
    (root / "a.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"a.png")


def test_a_folder_swapped_for_another_is_noticed(root: Path, inbox: Inbox, make: Make) -> None:
    watcher = make(root)
    root.rename(root.with_name("aside"))
    root.mkdir()
    watcher.check()
    assert "another folder" in inbox.reasons[0]
    (root / "a.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"a.png")


def test_a_folder_that_is_missing_at_the_start_is_watched_when_it_comes(
    root: Path, inbox: Inbox, make: Make
) -> None:
    root.rmdir()
    watcher = make(root)
    assert watcher.watching == "away"
    watcher.check()
    assert inbox.reasons == []
    root.mkdir()
    watcher.check()
    (root / "a.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"a.png")


@pytest.mark.parametrize("kind", [InotifyEmitter, BaseObserver, InotifyFD])
def test_a_dead_thread_is_replaced(
    kind: type[threading.Thread], root: Path, inbox: Inbox, make: Make
) -> None:
    watcher = make(root)
    (thread,) = threads_of(kind)
    thread.stop()  # type: ignore[attr-defined]
    wait_until(lambda: not thread.is_alive())
    watcher.check()
    assert inbox.reasons == ["watching began anew: a watching thread died"]
    (root / "a.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"a.png")
    watcher.check()
    assert watcher.stats()["restarts"] == 1


def test_inotify_that_dies_again_and_again_gives_way_to_polling_for_a_while(
    root: Path, make: Make
) -> None:
    watcher = make(root, poll_interval=0.05)
    for _ in range(5):
        assert watcher.watching == "native"
        (thread,) = threads_of(InotifyEmitter)
        thread.stop()  # type: ignore[attr-defined]
        wait_until(lambda: not thread.is_alive())  # noqa: B023
        watcher.check()
    assert watcher.watching == "polling"
    assert watcher.remark is not None
    for _ in range(100):
        watcher.check()
    assert watcher.watching == "native"
    assert watcher.remark is None


def test_a_receiver_that_fails_stops_nothing_and_is_owed_a_rescan(root: Path, inbox: Inbox) -> None:
    failing = threading.Event()
    failing.set()

    def receive(message: Hint | Rescan) -> None:
        if failing.is_set():
            raise RuntimeError("the loop is closed")
        inbox.receive(message)

    watcher = Watcher(root, receive, mode="native")
    watcher.start()
    try:
        (root / "lost.png").write_bytes(b"picture")
        wait_until(lambda: watcher.stats()["failures"] > 0)
        watcher.check()
        failing.clear()
        watcher.check()
        assert "could not be handed over" in inbox.reasons[0]
        (root / "a.png").write_bytes(b"picture")
        inbox.wait_for_closed(b"a.png")
    finally:
        watcher.stop()


def test_an_overflow_of_the_kernels_queue_is_counted_and_asks_for_a_rescan(
    root: Path, inbox: Inbox, make: Make
) -> None:
    (root / "sub").mkdir()
    watcher = make(root)
    overflow_the_queue(root)
    inbox.wait_for_rescan()
    assert watcher.stats()["overflows"] == 1
    assert "overflowed" in inbox.reasons[0]
    (root / "sub/after.png").write_bytes(b"picture")
    inbox.wait_for_closed(b"sub/after.png")


def test_two_thousand_directories_are_watched(root: Path, inbox: Inbox, make: Make) -> None:
    for number in range(2000):
        (root / f"set {number // 50}/board {number}").mkdir(parents=True)
    make(root)
    for number in range(0, 2000, 97):
        (root / f"set {number // 50}/board {number}/a.png").write_bytes(b"picture")
    for number in range(0, 2000, 97):
        inbox.wait_for_closed(b"set %d/board %d/a.png" % (number // 50, number))


def test_directories_moved_out_and_made_anew_do_not_disturb(
    root: Path, tmp_path: Path, inbox: Inbox, make: Make
) -> None:
    (root / "set").mkdir()
    watcher = make(root)
    for number in range(4):
        (root / "set").rename(tmp_path / f"set-{number}")
        (root / "set").mkdir()
    (root / "set/a.png").write_bytes(b"picture")
    inbox.wait_for_path(b"set/a.png")
    watcher.stop()
    assert watcher.watching == "stopped"


LIMITED = """
import sys, threading
from pathlib import Path
from local.inbox import Inbox, Make, wait_until
from places import in_namespace, unprivileged
from boardsync.local.watch import Surroundings, Watcher

root = Path(sys.argv[1])
watches = Path("/proc/sys/user/max_inotify_watches")
watches.write_text("10")
inbox, answers = Inbox(), ["low"]
watcher = Watcher(root, inbox.receive, mode="native", poll_interval=0.02,
                  surroundings=Surroundings(limits=lambda: tuple(answers)))
watcher.start()
assert watcher.watching == "native", watcher.remark
for number in range(20):
    (root / f"set {number}").mkdir()

def polled():
    watcher.check()
    return watcher.watching == "polling"

wait_until(polled)
assert "fs.inotify.max_user_watches" in watcher.remark, watcher.remark
assert "fs.inotify.max_user_watches" in inbox.reasons[-1], inbox.reasons
assert watcher.stats()["limits"] == 1, watcher.stats()
(root / "set 19/a.png").write_bytes(b"picture")
inbox.wait_for_path(b"set 19/a.png")

watches.write_text("1000")
answers[0] = "high"
watcher.check()
assert watcher.watching == "native" and watcher.remark is None
assert inbox.reasons[-1] == "watching began anew: the limits of inotify were changed"
(root / "set 19/b.png").write_bytes(b"picture")
inbox.wait_for_closed(b"set 19/b.png")
watcher.stop()

watches.write_text("10")
watcher.start()
assert watcher.watching == "polling"
watcher.stop()

Path("/proc/sys/user/max_inotify_instances").write_text("0")
watcher.start()
assert watcher.watching == "polling"
assert "fs.inotify.max_user_instances" in watcher.remark, watcher.remark
watcher.stop()
assert threading.active_count() == 1, threading.enumerate()
"""


def test_beyond_the_limits_of_inotify_the_folder_is_polled_until_they_are_raised(
    root: Path,
) -> None:
    in_namespace(LIMITED, str(root))


UNMOUNTED = """
import subprocess, sys
from pathlib import Path
from local.inbox import Inbox, Make, wait_until
from places import in_namespace, unprivileged
from boardsync.local.watch import Watcher

def mount(path):
    subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)

def unmount(path):
    subprocess.run(["umount", path], check=True)

root = Path(sys.argv[1])
(root / "disk").mkdir()
mount(root / "disk")
inbox = Inbox()
watcher = Watcher(root, inbox.receive, mode="native")
watcher.start()
unmount(root / "disk")
mount(root / "disk")

def healed():
    watcher.check()
    return bool(inbox.reasons)

wait_until(healed)
assert inbox.reasons == ["watching began anew: a filesystem in the folder was unmounted"]
(root / "disk/a.png").write_bytes(b"picture")
inbox.wait_for_closed(b"disk/a.png")

inbox.clear()
mount(root)
watcher.check()
assert "another folder" in inbox.reasons[0], inbox.reasons
unmount(root)
watcher.check()
assert "another folder" in inbox.reasons[1], inbox.reasons
(root / "b.png").write_bytes(b"picture")
inbox.wait_for_closed(b"b.png")
watcher.stop()
"""


def test_an_unmounted_and_remounted_disk_is_watched_again(root: Path) -> None:
    in_namespace(UNMOUNTED, str(root), mounts=True)


def test_network_filesystems_are_polled_in_auto_mode(root: Path, inbox: Inbox) -> None:
    surroundings = Surroundings(mount_kind=lambda path: "nfs4")
    watcher = Watcher(root, inbox.receive, poll_interval=0.02, surroundings=surroundings)
    watcher.start()
    try:
        assert watcher.watching == "polling"
        assert watcher.remark is not None
        assert "nfs4" in watcher.remark
        (root / "a.png").write_bytes(b"picture")
        inbox.wait_for_path(b"a.png")
        assert inbox.closed == set()
    finally:
        watcher.stop()


def test_local_filesystems_are_watched_in_auto_mode(root: Path, inbox: Inbox) -> None:
    surroundings = Surroundings(mount_kind=lambda path: "ext4")
    watcher = Watcher(root, inbox.receive, surroundings=surroundings)
    watcher.start()
    try:
        assert watcher.watching == "native"
    finally:
        watcher.stop()
    assert watcher.watching == "stopped"
    watcher.check()
    assert watcher.watching == "stopped"


def test_a_directory_that_may_not_be_read_does_not_keep_others_from_being_watched(
    shared: Path, inbox: Inbox
) -> None:
    for name in ("shut 1", "shut 2", "open"):
        (shared / name).mkdir(mode=0o755 if name == "open" else 0)
    shared.chmod(0o777)
    watcher = Watcher(shared, inbox.receive, mode="native")
    with unprivileged():
        watcher.start()
    try:
        (shared / "open/a.png").write_bytes(b"picture")
        inbox.wait_for_closed(b"open/a.png")
        watcher.check()
        assert inbox.reasons == []
    finally:
        watcher.stop()
