"""Decodes pixels: checks, prepares and identifies pictures."""
