"""The settings of the thumbnails: where they are kept, and how much of them."""

from __future__ import annotations

from pydantic import Field

from boardsync.config.base import Section, SettingsPath
from boardsync.config.quantities import Interval, Size


class ThumbnailSettings(Section):
    """Small pictures of pictures. They are kept to be quick, and made anew when they are gone."""

    folder: SettingsPath | None = Field(
        default=None,
        description="A directory that holds nothing else.",
        json_schema_extra={"default_in_words": "`thumbnails` beside the default of `index`"},
    )
    most: Size = Field(
        default=512 * 1024**2,
        description="So much is kept at most; what was not looked at for longest goes first.",
    )
    keep: Interval | None = Field(
        default=90 * 86_400.0,
        description="What was not looked at for so long goes. null: only for want of room.",
    )
