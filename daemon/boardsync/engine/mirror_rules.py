"""The rules of a mirror: what of its folder is looked at. Light, for commands that need no more."""

from __future__ import annotations

from boardsync.config.mirrors import MirrorSettings
from boardsync.local.ignore import Rules


def rules_of(settings: MirrorSettings, ignore_file: bytes) -> Rules:
    """Return a mirror's rules. Pulled files are observed like all others.

    ignore_file: what `.boardsyncignore` holds. Raises SettingsError for a line that is no rule.
    """
    return Rules(
        include=settings.include, ignore=settings.ignore, ignore_file=ignore_file, pull_into=None
    )
