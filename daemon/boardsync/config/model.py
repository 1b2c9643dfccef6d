"""The settings as the rest of boardsync sees them: checked, complete and unchanging.

Durations are seconds, sizes are bytes, paths are absolute. What spans several sections (names
that must differ, folders that must not overlap) is checked by `boardsync.config.checks`,
because it looks at the disk.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from boardsync.config.alarms import AlarmSettings
from boardsync.config.base import (
    EMPTY_LIST,
    EMPTY_SECTION,
    Amount,
    Flag,
    Name,
    Section,
    SettingsPath,
    combination,
)
from boardsync.config.health import HealthSettings
from boardsync.config.http import HttpSettings
from boardsync.config.limits import LimitSettings
from boardsync.config.mirrors import (
    MirrorSettings,
    PullSettings,
    SettleSettings,
    UploadSettings,
)
from boardsync.config.places import (
    THUMBNAILS_NAME,
    default_cache,
    default_index,
    default_socket,
    default_state,
)
from boardsync.config.process import ProcessSettings
from boardsync.config.quantities import Duration, Interval, Share
from boardsync.config.secret import Secret
from boardsync.config.servers import DirectorySettings, InvokeAISettings, ServerSettings
from boardsync.config.thumbnails import ThumbnailSettings

__all__ = [
    "DirectorySettings",
    "HttpSettings",
    "InvokeAISettings",
    "LimitSettings",
    "LogSettings",
    "MirrorSettings",
    "ProcessSettings",
    "PullSettings",
    "ScheduleSettings",
    "Secret",
    "ServerSettings",
    "Settings",
    "SettleSettings",
    "ThumbnailSettings",
    "UploadSettings",
]


class LogSettings(Section):
    """What is written to the log."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important message that is written."
    )
    format: Literal["auto", "console", "json", "journal"] = Field(
        default="auto",
        description="`console` is for people, `json` is one object in each line, `journal` is for "
        "systemd's journal, with fields such as `MIRROR=`. `auto` is `console` on a terminal, "
        "`journal` where systemd reads the log, and `json` otherwise.",
    )


class ScheduleSettings(Section):
    """What happens by itself, and how often."""

    reconcile_at_start: Flag = Field(
        default=True, description="Compare both sides of every mirror as soon as boardsync runs."
    )
    reconcile_every: Interval = Field(
        default=15 * 60.0, description="Time between two comparisons of both sides."
    )
    full_rescan_every: Interval = Field(
        default=86_400.0,
        description="Time between two comparisons that look at everything again and trust no "
        "remembered listing.",
    )
    listing_poll_min: Interval = Field(
        default=2.0, description="Shortest time between two looks at a board that is busy."
    )
    listing_poll_max: Interval = Field(
        default=60.0,
        description="Longest time between two looks at a board that is quiet. One in a directory "
        "of this machine is looked at when something happens there, and else at the comparisons.",
    )
    history_keep: Interval = Field(
        default=30 * 86_400.0, description="How long past runs and their steps are remembered."
    )
    database_check_every: Interval = Field(
        default=86_400.0, description="Time between two integrity checks of the state file."
    )
    backup_every: Interval = Field(
        default=86_400.0, description="Time between two backups of the state file."
    )
    backups_keep: Amount = Field(
        default=7, description="How many backups of it are kept; with 0 none are made."
    )
    rehash_every: Interval = Field(
        default=86_400.0,
        description="Time between two readings of a share of the linked files, the longest unread "
        "first: a file whose bytes changed while nobody wrote to it has rotted, and is told.",
    )
    rehash_share: Share = Field(
        default=0.01,
        description="How much of the linked files is read each time; with 0 none.",
    )
    verify_every: Interval = Field(
        default=86_400.0,
        description="Time between two looks at a share of the linked items, other ones each time: "
        "one that does not show what was sent is told.",
    )
    verify_share: Share = Field(
        default=0.001,
        description="How much of the linked items is fetched each time; with 0 none.",
    )
    drain: Duration = Field(
        default=20.0,
        description="How long a stopping boardsync waits for transfers under way. A service "
        "manager must wait longer.",
    )

    @model_validator(mode="after")
    def _poll_bounds_in_order(self) -> Self:
        if self.listing_poll_min > self.listing_poll_max:
            raise combination(
                ("listing_poll_min",),
                "this is above listing_poll_max; expected at most as much",
            )
        return self


def _state() -> Path:
    return default_state(os.environ)


def _socket(data: dict[str, Any]) -> Path:
    return default_socket(data["state"], os.environ)


def _index(data: dict[str, Any]) -> Path:
    return default_index(data["state"], os.environ)


def _false_is_none(value: object) -> object:
    return None if value is False else value


class Settings(Section):
    """Everything that one boardsync daemon is told."""

    state: SettingsPath = Field(
        default_factory=_state,
        description="The file that remembers every transfer. Not on a network filesystem.",
        json_schema_extra={
            "default_in_words": "`$STATE_DIRECTORY/state.db` in a service and for commands with "
            "its settings (`/var/lib/boardsync/state.db`), otherwise "
            "`$XDG_STATE_HOME/boardsync/state.db` (`~/.local/state/boardsync/state.db`)"
        },
    )
    socket: SettingsPath | None = Field(
        default_factory=_socket,
        description="Where the daemon listens for the command line. null: it does not listen.",
        json_schema_extra={
            "default_in_words": "`boardsync.sock` (`boardsync-NAME.sock` for a state called "
            "otherwise) in `$RUNTIME_DIRECTORY`, otherwise beside the state"
        },
    )
    index: Annotated[SettingsPath | None, BeforeValidator(_false_is_none)] = Field(
        default_factory=_index,
        description="The file in which pictures are found by what they tell (`boardsync find`). It "
        "can be deleted at any time and is made anew. null or false: there is none.",
        json_schema_extra={
            "default_in_words": "`index.db` (`index-NAME` for a state of another NAME) in "
            "`$CACHE_DIRECTORY`; with the default state `$XDG_CACHE_HOME/boardsync/index.db` "
            "(`~/.cache/boardsync/index.db`), otherwise beside the state"
        },
    )
    thumbnails: Annotated[ThumbnailSettings, EMPTY_SECTION] = Field(
        default=ThumbnailSettings(), description="Small pictures of pictures."
    )
    http: Annotated[HttpSettings, EMPTY_SECTION] = Field(
        default=HttpSettings(), description="The API on TCP; off unless asked for."
    )
    log: Annotated[LogSettings, EMPTY_SECTION] = Field(
        default=LogSettings(), description="What is written to the log."
    )
    servers: Annotated[dict[Name, ServerSettings], EMPTY_SECTION] = Field(
        default={}, description="Servers, each under a name of your choice."
    )
    mirrors: Annotated[list[MirrorSettings], EMPTY_LIST] = Field(
        default=[], description="Mirrors. There may be none."
    )
    schedule: Annotated[ScheduleSettings, EMPTY_SECTION] = Field(
        default=ScheduleSettings(), description="What happens by itself."
    )
    limits: Annotated[LimitSettings, EMPTY_SECTION] = Field(
        default=LimitSettings(), description="What everything together may take, and when."
    )
    process: Annotated[ProcessSettings, EMPTY_SECTION] = Field(
        default=ProcessSettings(), description="How the daemon stands back for other programs."
    )
    health: Annotated[HealthSettings, EMPTY_SECTION] = Field(
        default=HealthSettings(), description="When something that waits counts as stuck."
    )
    alarms: Annotated[AlarmSettings, EMPTY_SECTION] = Field(
        default=AlarmSettings(), description="Who is told of it."
    )

    @property
    def thumbnails_folder(self) -> Path:
        """Where thumbnails are kept."""
        own = self.thumbnails.folder
        return own or default_cache(self.state, os.environ) / THUMBNAILS_NAME
