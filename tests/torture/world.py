"""One mirror that is tortured: its folder, its board, its daemon, and a look at both sides."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real.tcp_proxy import FaultProxy, troubled
from torture.aims import OUTPUTS, Aims
from torture.boards import BOARD, TEMPORARY, Board, DirectoryBoard
from torture.daemons import Daemon
from torture.findings import Finding, Seen, judge, old_versions
from torture.hands import Hands
from torture.ledger import Ledger, digest_of
from torture.writing import visible

TROUBLED = 0.08
"""Share of the connections that go wrong while nobody is waiting for an end."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. items: on the board. old: those of them that are old versions."""

    findings: list[Finding]
    items: int = 0
    old: int = 0


class World:
    """base: a directory of its own. proxy: in front of the board's server, where it has one.

    without: habits of the hands that are left.
    """

    def __init__(
        self, base: Path, board: Board, seed: int, proxy: FaultProxy | None = None,
        without: Collection[str] = (),
    ) -> None:  # fmt: skip
        chance = random.Random(seed)
        self.board = board
        self.folder = base / "pictures"
        self.ledger = Ledger()
        self.chance = random.Random(chance.random())
        working = random.Random(chance.random())
        self.hands = Hands(self.folder, board, self.ledger, working, without)
        state = base / "state" / "state.db"
        config = base / "config.yaml"
        config.write_text(json.dumps(self._settings(state)))
        self.daemon = Daemon(base, config)
        boards = board.base if isinstance(board, DirectoryBoard) else None
        aiming = random.Random(chance.random())
        self.aims = Aims(aiming, self.folder, state, boards=boards, proxy=proxy)
        self._proxy = proxy

    def disturb(self) -> None:
        """Let the network go wrong now and then."""
        if self._proxy is None:
            return
        self._proxy.behave(troubled(TROUBLED))
        upload = "POST /api/v1/images/upload"
        self._proxy.lose(upload, every=self.chance.randint(4, 9))
        self._proxy.delay(upload, self.chance.uniform(0.1, 4), every=self.chance.randint(5, 11))
        self._proxy.lose("GET /api/v1/images/i/", every=self.chance.randint(5, 11))

    def calm(self) -> None:
        """Let the network do its work."""
        if self._proxy is not None:
            self._proxy.calm()

    @property
    def faults(self) -> Counter[str]:
        """What went wrong with the network, counted; without what only served to aim."""
        happened = Counter() if self._proxy is None else Counter(self._proxy.happened)
        del happened["held"]
        return happened

    def look(self) -> Look:
        """Look at both sides themselves and tell what is wrong."""
        files: dict[str, str] = {}
        pulled: dict[str, str] = {}
        for path in visible(self.folder):
            name = str(path.relative_to(self.folder))
            side = pulled if name.startswith(f"{OUTPUTS}/") else files
            side[name] = digest_of(path.read_bytes())
        server = self.board.contents()
        litter = [str(path) for path in self.folder.rglob(f"{TEMPORARY}*")]
        seen = Seen(files, pulled, server, [*litter, *self.board.litter()])
        findings = judge(self.ledger, seen) + self.board.damage(self.hands.pixels)
        return Look(findings, len(server.board), old_versions(self.ledger, server))

    def close(self) -> None:
        """Let nothing go on. Raises what went wrong with the last changes."""
        try:
            self.hands.rest()
        finally:
            self.daemon.stop()

    def _settings(self, state: Path) -> dict[str, Any]:
        """Everything a person would have, with less patience."""
        mirror = {
            "name": "torture", "folder": str(self.folder), "server": "main", "board": BOARD,
            "settle": {"quiet": "100ms", "quiet_uncertain": "100ms", "rewrite": "200ms"},
        }  # fmt: skip
        return {
            "state": str(state),
            "servers": {"main": self.board.settings()},
            "mirrors": [mirror],
            "schedule": {"listing_poll_min": "1 s", "listing_poll_max": "2 s"},
        }
