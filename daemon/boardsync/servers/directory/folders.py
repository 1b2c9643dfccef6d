"""Making the directories that pictures lie in: durable, and never through a symlink."""

from __future__ import annotations

import os
from collections.abc import Sequence

from boardsync.files.durable import fsync_directory
from boardsync.servers.directory.tree import refuse_obstacle


def make_folder(base: str, parts: Sequence[str]) -> str:
    """Make directories below `base`, each durable in its parent; return the innermost.

    `base` has to be there: making it too would put a board on a bare mount point. Raises
    ServerRefused when something else has one of the names, a link too: it may lead anywhere.
    """
    folder = base
    for part in parts:
        parent, folder = folder, os.path.join(folder, part)
        try:
            os.mkdir(folder)
        except FileExistsError:
            refuse_obstacle(folder)
        else:
            fsync_directory(parent)
    return folder
