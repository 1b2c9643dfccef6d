"""The first process of a container: the command `boardsync`, as the user it is to be.

A container that was started as an ordinary user stays that user. One that was started as root,
as systems without user ids for containers do, becomes $PUID and $PGID before anything else, so
that pictures and state belong to the person who owns them outside.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from boardsync.errors import SettingsError

DEFAULT = 1000
"""Who it becomes unless it is told: most people's first account."""


def main() -> None:
    """Run the command `boardsync`, as an ordinary user."""
    try:
        wanted = identity(os.environ) if os.geteuid() == 0 else None
    except SettingsError as error:
        sys.stderr.write(f"boardsync: {error}\n")
        sys.exit(78)
    if wanted is not None:
        become(*wanted, Path(os.environ["STATE_DIRECTORY"]))
    from boardsync.entry import main as boardsync

    boardsync()


def identity(environ: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the user and the group to become; None: remain root, as PUID=0 asks for.

    That is for containers whose root is an ordinary user outside. Raises SettingsError.
    """
    user = _number(environ, "PUID", DEFAULT)
    group = _number(environ, "PGID", user)
    return None if user == 0 else (user, group)


def become(user: int, group: int, state: Path) -> None:
    """Give the state to a user, and be that user from now on, without the rights of root."""
    for path in (state, *state.rglob("*")):
        found = path.lstat()
        if (found.st_uid, found.st_gid) != (user, group):
            os.chown(path, user, group, follow_symlinks=False)
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "") or str(default)
    if not text.isdecimal() or not int(text) < 2**32 - 1:
        raise SettingsError(f"{name}={text}: expected the number of a user or group, such as 1000")
    return int(text)


if __name__ == "__main__":
    main()
