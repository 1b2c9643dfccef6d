"""Nine tenths of a folder deleted: while the daemon runs, and while it is stopped.

$BOARDSYNC_TEST_MASS is how many files there are, 500 by default.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from boardsync.formats import PNG
from picture_samples import sample
from real.mirror_kit import wait_for

pytestmark = pytest.mark.real

FILES = int(os.environ.get("BOARDSYNC_TEST_MASS", "500"))
DELETED = FILES * 9 // 10


class Kept:
    """A mirror into a directory that passes deletions on."""

    def __init__(self, base: Path) -> None:
        self.folder, self.boards = base / "pictures", base / "boards"
        self.folder.mkdir()
        self.boards.mkdir()
        self.config = base / "config.yaml"
        self.config.write_text(
            json.dumps(
                {
                    "state": str(base / "state.db"),
                    "servers": {"d": {"kind": "directory", "path": str(self.boards)}},
                    "mirrors": [
                        {"name": "m", "folder": str(self.folder), "server": "d", "board": "b",
                         "policies": {"file_deleted": "trash", "item_deleted": "trash"},
                         "settle": {"removal": "1 s", "confirm": "1 s"}}
                    ],
                }
            )
        )  # fmt: skip
        content = sample(PNG, "RGB", (8, 8), seed=1)
        for number in range(FILES):
            # Bytes behind the end are another file, and no other picture.
            (self.folder / f"{number:04}.png").write_bytes(content + b"%d" % number)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "boardsync", "-c", str(self.config), *arguments]

    def run(self, *arguments: str) -> Any:
        done = subprocess.run(
            self.command(*arguments, "--json"), capture_output=True, text=True, timeout=600,
            check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def tell(self, *arguments: str) -> None:
        """Give an answer that only its exit code tells of."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr

    def status(self) -> dict[str, Any]:
        return self.run("status")["mirrors"][0]

    def items(self) -> int:
        return sum(1 for path in (self.boards / "b").iterdir() if path.is_file())

    def files(self) -> int:
        return sum(1 for path in self.folder.iterdir() if path.is_file())

    def delete_most(self) -> None:
        for number in range(DELETED):
            (self.folder / f"{number:04}.png").unlink()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    made = Kept(tmp_path_factory.mktemp("mass"))
    assert made.run("once")["mirrors"][0]["synced"] == FILES
    return made


def test_while_the_daemon_runs_nothing_is_removed_and_restore_brings_all_back(kept: Kept) -> None:
    daemon = subprocess.Popen(kept.command("run"), stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: kept.status()["condition"] == "synced", 60, "in step")
        kept.delete_most()
        wait_for(lambda: kept.status()["held"] == DELETED, 120, "all of it held")
        assert kept.items() == FILES

        (hold,) = kept.run("holds")["holds"]
        kept.tell("restore", str(hold["hold"]))
        wait_for(lambda: kept.files() == FILES, 300, "all files back")
        wait_for(lambda: kept.status()["condition"] == "synced", 60, "in step again")
        assert kept.items() == FILES
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)


def test_while_it_is_stopped_nothing_is_removed_and_approve_removes_exactly_those(
    kept: Kept,
) -> None:
    kept.delete_most()
    assert kept.run("once")["mirrors"][0]["held"] == DELETED
    assert kept.items() == FILES
    (hold,) = kept.run("holds")["holds"]

    kept.tell("approve", str(hold["hold"]), "--yes")
    kept.run("once")

    assert (kept.status()["held"], kept.items()) == (0, FILES - DELETED)
    assert max(run["trashed"] for run in kept.run("history")["runs"]) == DELETED
    left = sorted(os.listdir(kept.folder))
    assert left[0] == f"{DELETED:04}.png"


def test_undo_returns_them(kept: Kept) -> None:
    run = next(run for run in kept.run("history")["runs"] if run["trashed"] == DELETED)

    kept.tell("undo", str(run["id"]))

    assert kept.items() == FILES
    result = kept.run("once")["mirrors"][0]
    assert (result["uploaded"], result["downloaded"], result["trashed"]) == (0, 0, 0)
    assert kept.items() == FILES
