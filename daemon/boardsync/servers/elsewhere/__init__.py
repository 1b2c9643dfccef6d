"""Pictures behind addresses of the web: fetched once, in bounds, and from nowhere inside."""

from boardsync.servers.elsewhere.fetching import Arrived, Bounds, fetch
from boardsync.servers.elsewhere.location import is_address, shown

__all__ = ["Arrived", "Bounds", "fetch", "is_address", "shown"]
