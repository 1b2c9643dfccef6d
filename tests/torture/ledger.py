"""What was done to both sides, written down by whoever did it: the truth that is checked against.

A picture is known by the SHA-256 of its bytes. Nothing here is learnt from boardsync.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


def digest_of(content: bytes) -> str:
    """Return the identity of a picture."""
    return hashlib.sha256(content).hexdigest()


@dataclass(slots=True)
class Ledger:
    """files: what lies where in the folder now, by path. past: what once lay there and was
    written over. foreign: what somebody else put on the board; it has to come down."""

    files: dict[str, str] = field(default_factory=dict)
    past: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)

    def wrote(self, path: str, digest: str) -> None:
        """Note a file that is there from now on, in place of what was there."""
        before = self.files.get(path)
        self.files[path] = digest
        if before is not None:
            self._maybe_past(before)

    def renamed(self, old: str, new: str) -> None:
        """Note that a file has another path from now on."""
        self.files[new] = self.files.pop(old)

    def put(self, digest: str) -> None:
        """Note a picture that somebody else put on the board."""
        self.foreign.add(digest)

    @property
    def pictures(self) -> int:
        """How many different pictures there are, both ways, old versions left out."""
        return len(set(self.files.values())) + len(self.foreign)

    @property
    def pairs(self) -> int:
        """How many files are to be in step with an item: each path counts."""
        return len(self.files) + len(self.foreign)

    def _maybe_past(self, digest: str) -> None:
        """Note an old version; a copy of it may still be there."""
        if digest not in self.files.values():
            self.past.add(digest)
