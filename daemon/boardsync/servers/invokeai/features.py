"""What this server turned out to lack. Found by asking, not by comparing versions."""

from __future__ import annotations

from enum import Enum

from boardsync.servers.invokeai.transport import Transport


class Feature(Enum):
    """Addresses that came with version 6.0 and have a slower replacement before it."""

    NAMES = "/images/names"
    RECORDS_BY_NAMES = "/images/images_by_names"


class Features:
    """Remembers what is missing for as long as the connection holds.

    A lost connection may mean an upgrade, so everything is tried again after one.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._losses = transport.losses
        self._missing: set[Feature] = set()

    def lacks(self, feature: Feature) -> bool:
        """Tell whether a feature is known to be missing."""
        if self._losses != self._transport.losses:
            self._losses = self._transport.losses
            self._missing.clear()
        return feature in self._missing

    def note_missing(self, feature: Feature) -> None:
        """Remember that a feature is missing.

        Call it only after the replacement worked: a proxy's error page looks the same.
        """
        self._missing.add(feature)
