"""The settings of health: how long something may wait before somebody has to know."""

from __future__ import annotations

from pydantic import Field

from boardsync.config.base import Section
from boardsync.config.quantities import Interval


class HealthSettings(Section):
    """When something that waits counts as stuck."""

    stuck_after: Interval = Field(
        default=5 * 60.0,
        description="How long a mirror, a server or a picture may wait in vain before that is "
        "stuck: then the daemon is not healthy, and alarms are sent.",
    )
    file_stuck_after: Interval = Field(
        default=86_400.0,
        description="How long one file may go on changing, or may not be readable, before that "
        "is stuck.",
    )
