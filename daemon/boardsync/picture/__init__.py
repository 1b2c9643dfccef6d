"""Decodes pixels. The only place that knows Pillow: checks, prepares and compares pictures.

Everything here is synchronous, safe to call from many threads, and deterministic; the
engine runs it off the loop.
"""
