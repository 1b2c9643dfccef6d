"""A server in memory, for tests and as the reference of the port."""

from boardsync.servers.memory.server import CAPABILITIES, MemoryServer
from boardsync.servers.memory.world import Faults

__all__ = ["CAPABILITIES", "Faults", "MemoryServer"]
