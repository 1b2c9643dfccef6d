"""A linked picture that is saved again and again while the daemon runs, in a plain directory.

$BOARDSYNC_TEST_SAVES_SECONDS is how long the forty saves take, 20 by default; rewrites settle for
half of it, as they do for half a minute when a minute is full of saves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from boardsync.formats import PNG
from picture_samples import sample
from real.mirror_kit import wait_for

pytestmark = pytest.mark.real

SAVES = 40
SECONDS = float(os.environ.get("BOARDSYNC_TEST_SAVES_SECONDS", "20"))


class Saved:
    """A mirror of a folder with one picture into a directory."""

    def __init__(self, base: Path) -> None:
        self.picture = base / "pictures" / "a.png"
        self.picture.parent.mkdir()
        self.boards = base / "boards"
        self.boards.mkdir()
        self.config = base / "config.yaml"
        self.config.write_text(
            json.dumps(
                {
                    "state": str(base / "state.db"),
                    "servers": {"d": {"kind": "directory", "path": str(self.boards)}},
                    "mirrors": [
                        {"name": "m", "folder": str(self.picture.parent), "server": "d",
                         "board": "b", "settle": {"rewrite": f"{SECONDS / 2} s"}}
                    ],
                }
            )
        )  # fmt: skip

    def save(self, number: int) -> None:
        """Save the picture, every other time as editors do that rename."""
        content = sample(PNG, "RGB", (64, 64), seed=number)
        if number % 2:
            self.picture.write_bytes(content)
            return
        part = self.picture.with_name("a.png.part")
        part.write_bytes(content)
        part.rename(self.picture)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "boardsync", "-c", str(self.config), *arguments]

    def ask(self, *arguments: str) -> Any:
        done = subprocess.run(
            self.command(*arguments, "--json"), capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def on_board(self) -> list[bytes]:
        return [path.read_bytes() for path in (self.boards / "b").glob("[!.]*")]

    def synced(self) -> bool:
        return bool(self.ask("status")["mirrors"][0]["condition"] == "synced")


def test_forty_saves_are_at_most_two_uploads_and_the_old_item_lies_in_the_trash(
    tmp_path: Path,
) -> None:
    here = Saved(tmp_path)
    here.save(0)
    daemon = subprocess.Popen(here.command("run"), stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: here.on_board() == [sample(PNG, "RGB", (64, 64), seed=0)], 60, "sent")
        wait_for(here.synced, 60, "in step")
        for number in range(1, SAVES + 1):
            here.save(number)
            time.sleep(SECONDS / SAVES)
        wanted = sample(PNG, "RGB", (64, 64), seed=SAVES)
        wait_for(lambda: here.on_board() == [wanted], 120, "the last content on the board")
        wait_for(here.synced, 60, "in step again")
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)

    uploads = sum(run["uploaded"] for run in here.ask("history")["runs"])
    trashed = here.ask("trash", "list")["trash"]
    assert 2 <= uploads <= 3  # the first one, and at most two for all the saves
    assert [(one["side"], one["path"]) for one in trashed] == [("item", "a.png")] * (uploads - 1)
    assert here.on_board() == [here.picture.read_bytes()] == [wanted]
