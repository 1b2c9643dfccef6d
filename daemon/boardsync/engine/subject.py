"""What a person means by a path: relative to where they are, to a mirror's folder, or absolute."""

from __future__ import annotations

import os


def path_below(root: bytes, subject: str, here: str | None) -> bytes | None:
    """Return a subject as a path relative to a mirror's folder; None when it lies elsewhere.

    here: where the person stands, None when that is not known. A relative path means a file
    there, if there is one below the mirror's folder, and else one in the mirror's folder.
    """
    raw = os.path.normpath(os.fsencode(subject))
    if os.path.isabs(raw):
        return _below(root, raw)
    if here is not None:
        absolute = os.path.normpath(os.path.join(os.fsencode(here), raw))
        if os.path.lexists(absolute):
            found = _below(root, absolute)
            if found is not None:
                return found
    return raw


def _below(root: bytes, absolute: bytes) -> bytes | None:
    """Cut the folder off, under its own name or the one behind its symlinks."""
    for folder in (root, os.path.realpath(root)):
        if absolute.startswith(folder.rstrip(b"/") + b"/"):
            return absolute[len(folder.rstrip(b"/")) + 1 :]
    return None
