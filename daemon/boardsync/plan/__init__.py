"""Decides. Pure: the same input gives the same plan, on any machine, at any time."""
