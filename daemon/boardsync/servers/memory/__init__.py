"""A server in memory, for tests and as the reference of the port."""

from boardsync.servers.memory.faults import Faults
from boardsync.servers.memory.server import CAPABILITIES, DELETING, NAMED, MemoryServer
from boardsync.servers.memory.stock import Stored

__all__ = ["CAPABILITIES", "DELETING", "NAMED", "Faults", "MemoryServer", "Stored"]
