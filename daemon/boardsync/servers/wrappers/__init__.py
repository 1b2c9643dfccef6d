"""Wrappers of the port: each adds one concern to any server, and is a server itself."""

from boardsync.servers.wrappers.compose import Policy, Shared, compose
from boardsync.servers.wrappers.limited import Limited, Slots
from boardsync.servers.wrappers.metered import Meter, Metered
from boardsync.servers.wrappers.retrying import Pauses, Retrying
from boardsync.servers.wrappers.throttled import Bandwidth, Throttled

__all__ = [
    "Bandwidth",
    "Limited",
    "Meter",
    "Metered",
    "Pauses",
    "Policy",
    "Retrying",
    "Shared",
    "Slots",
    "Throttled",
    "compose",
]
