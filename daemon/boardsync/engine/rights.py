"""Whether this process may give pulled files to whom the settings say: asked once, at the start."""

from __future__ import annotations

import os
from pathlib import Path

from boardsync.config.model import PullSettings, Settings
from boardsync.config.ownership import group_id, user_id
from boardsync.errors import SettingsError
from boardsync.files.ownership import Ownership

CHOWN, DAC_OVERRIDE, FOWNER = 0, 1, 3
"""Capabilities: to give files away, to reach what is another's, to change it."""
_STATUS = Path("/proc/self/status")


def ownership_of(pull: PullSettings) -> Ownership:
    """Return what pulled files are given, by numbers."""
    return Ownership(
        user=None if pull.owner is None else user_id(pull.owner),
        group=None if pull.group is None else group_id(pull.group),
        file_mode=pull.file_mode,
        directory_mode=pull.directory_mode,
    )


def require_rights(settings: Settings) -> None:
    """Raise SettingsError, all in one, where files are to be given away without the right to."""
    capabilities = _capabilities()
    refused = [
        f"mirror {one.name!r}: {words}"
        for one in settings.mirrors
        if one.direction.pulls
        for words in _refused(one.pull, capabilities)
    ]
    if refused:
        raise SettingsError("\n".join(refused))


def _refused(pull: PullSettings, capabilities: int) -> list[str]:
    wanted, refused = ownership_of(pull), []
    everything = all(capabilities >> one & 1 for one in (CHOWN, DAC_OVERRIDE, FOWNER))
    if wanted.user not in (None, os.geteuid()) and not everything:
        refused.append(
            f"pull.owner is {pull.owner!r}, and this process may not give files to another user;"
            " expected none, or to run as root (with CAP_CHOWN, CAP_FOWNER and CAP_DAC_OVERRIDE)"
        )
    own = {os.getegid(), *os.getgroups()}
    if wanted.group is not None and wanted.group not in own and not capabilities >> CHOWN & 1:
        refused.append(
            f"pull.group is {pull.group!r}, and the user who runs boardsync is not in it;"
            " expected one of the user's groups, or to run as root (with CAP_CHOWN)"
        )
    return refused


def _capabilities() -> int:
    """Return this process's capabilities; where nobody knows them, root has all."""
    try:
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return -1 if os.geteuid() == 0 else 0
