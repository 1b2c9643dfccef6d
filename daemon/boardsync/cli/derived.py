"""Where commands find the search index and the thumbnails, with settings or without any."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from boardsync.cli.access import Context
from boardsync.config.model import MirrorSettings, Settings, ThumbnailSettings
from boardsync.config.places import INDEX_NAME, THUMBNAILS_NAME, user_cache
from boardsync.errors import SettingsError
from boardsync.index.records import Place


@dataclass(frozen=True, slots=True)
class Derived:
    """What can be made anew. settings: None where there are none. index: None for none."""

    settings: Settings | None
    index: Path | None
    thumbnails: Path
    bounds: ThumbnailSettings

    def require_index(self) -> Path:
        """Return the index's path. Raises SettingsError when the settings want none."""
        if self.index is None:
            raise SettingsError("the settings want no index (`index: false`); let them name a file")
        return self.index

    @property
    def mirrors(self) -> dict[bytes, MirrorSettings]:
        """The mirrors of the settings by their folders."""
        mirrors = self.settings.mirrors if self.settings is not None else ()
        return {real(mirror.folder): mirror for mirror in mirrors}

    def place(self, root: bytes) -> Place:
        """Return a folder as the index knows it."""
        mirror = self.mirrors.get(root)
        return Place(root, None if mirror is None else mirror.name)


def derived(context: Context) -> Derived:
    """Return the places of the settings, or of this user where there are no settings."""
    settings = context.settings_if_any()
    if settings is None:
        cache = user_cache(os.environ)
        return Derived(None, cache / INDEX_NAME, cache / THUMBNAILS_NAME, ThumbnailSettings())
    return Derived(settings, settings.index, settings.thumbnails_folder, settings.thumbnails)


def real(folder: str | os.PathLike[str]) -> bytes:
    """Return a folder's own path: the index knows each by one name."""
    return os.path.realpath(os.fsencode(folder))
