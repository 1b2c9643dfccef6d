"""Touches the watched folders: scan, watch and ignore rules."""
