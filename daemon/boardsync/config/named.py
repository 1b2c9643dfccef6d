"""Names of mirrors and servers that a person gives, and that the settings may not know."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from boardsync.config.problems import meant
from boardsync.errors import SettingsError


def require_known(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise SettingsError for the first name that is none. kind: `mirror` or `server`."""
    for name in names:
        if name not in known:
            there = ", ".join(known) or "none"
            words = f"no {kind} is called {name!r}; there are: {there}"
            raise SettingsError(words + meant(name, known))
