"""Speaks to boards: the port, its wrappers, and one module or package for each kind of server."""
