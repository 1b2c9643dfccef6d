"""A big folder that is in step with its board: made once, used by all who measure rest.

The first pass that brings it there is measured, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pictures import small_tree
from benchmarks.processes import BenchmarkFailed, Cost, run
from benchmarks.scale import Scale
from benchmarks.workspace import Workspace, let_settle, with_directory_server


@dataclass(frozen=True, slots=True)
class Synced:
    """A workspace without anything left to do. first: what bringing it there took."""

    workspace: Workspace
    files: int
    first: Cost


class Shared:
    """What benchmarks of one run share: the big folder, and the folder once in step."""

    def __init__(self, base: Path, scale: Scale) -> None:
        self._base = base
        self._scale = scale
        self._folder: Path | None = None
        self._synced: Synced | None = None

    def folder(self) -> Path:
        """Return a folder of small pictures, all of them settled."""
        if self._folder is None:
            self._folder = self._base / "pictures"
            small_tree(self._folder, self._scale.files)
            let_settle()
        return self._folder

    def synced(self) -> Synced:
        """Return the folder mirrored to a board in a directory."""
        if self._synced is None:
            workspace = with_directory_server(self._base / "synced", self.folder())
            command = workspace.command("once", "--json")
            done = run(command, timeout=self._scale.first_pass_timeout)
            require_synced(done.output, self._scale.files)
            self._synced = Synced(workspace, self._scale.files, done.cost)
        return self._synced


def require_synced(output: str, files: int) -> None:
    """Raise BenchmarkFailed unless a pass says that every file is in step."""
    [mirror] = json.loads(output)["mirrors"]
    if mirror["synced"] != files or not mirror["good"]:
        raise BenchmarkFailed(f"only {mirror['synced']} of {files} files are in step: {mirror}")
