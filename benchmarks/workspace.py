"""A mirror to measure with: a folder, a server, a state, all below one temporary directory."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from benchmarks.processes import python

QUIET_SECONDS = 2.1
"""Files younger than this are still settling: measuring them would measure the wait."""
MIRROR = "bench"


class Workspace:
    """One mirror's settings and what they name. `server`: its section in the settings."""

    def __init__(
        self, base: Path, folder: Path, server: dict[str, Any], *, board: str = MIRROR
    ) -> None:
        base.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.state = base / "state" / "state.db"
        self.config = base / "config.yaml"
        # Pictures of one id are known again on whatever board they are.
        own = {"name": MIRROR, "id": board.replace(" ", "-")}
        mirror = own | {"folder": str(folder), "server": "server", "board": board}
        settings = {
            "state": str(self.state),
            "servers": {"server": server},
            "mirrors": [mirror],
        }
        self.config.write_text(json.dumps(settings))

    def beside(self, name: str, more: dict[str, Any]) -> Workspace:
        """Return the same mirror with further settings, in a settings file of their own."""
        other = copy(self)
        other.config = self.config.with_name(f"{name}.yaml")
        other.config.write_text(json.dumps(json.loads(self.config.read_text()) | more))
        return other

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of boardsync with these settings."""
        return python("boardsync", "-c", str(self.config), *arguments)

    def engine(self, *arguments: str) -> list[str]:
        """Return the command line of `engine_child` with these settings."""
        return python("benchmarks.engine_child", str(self.config), *arguments)

    def state_bytes(self) -> int:
        """Return what the state takes on disk, journals included."""
        return sum(path.stat().st_size for path in self.state.parent.glob("state.db*"))

    def forget_state(self) -> None:
        """Remove the state, as before a first start."""
        shutil.rmtree(self.state.parent, ignore_errors=True)


def with_directory_server(base: Path, folder: Path) -> Workspace:
    """Make a workspace whose board is a directory beside the folder."""
    boards = base / "boards"
    boards.mkdir(parents=True)
    return Workspace(base, folder, {"kind": "directory", "path": str(boards)})


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Make a directory that is gone afterwards, whatever happened."""
    with tempfile.TemporaryDirectory(prefix="boardsync-bench-") as name:
        yield Path(name)


def let_settle() -> None:
    """Let files that were just written become old enough to be believed."""
    time.sleep(QUIET_SECONDS)
