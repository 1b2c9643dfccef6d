"""What is drawn once for each history: the settings of the mirror, the kind of server, the disk."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from boardsync.model import Capabilities
from boardsync.servers.memory import CAPABILITIES, NAMED
from sim.server import Weather

SIM = b"/sim"
FOLDER = b"/sim/pictures"
AWAY = b"/sim/away"
BENEATH = b"/sim/beneath"
"""Where the folder is while its disk is not mounted, and what was written there meanwhile."""
TRASH = b"/sim/trash"
KEPT = b"/sim/kept"
SUBFOLDERS = (b"one", b"two", b"three")
LATE_SECONDS = (2.0, 2.0, 20.0, 90.0)
"""From 20 seconds on, what is stored can come later than both look-ups of its token."""
TEMPLATES = (None, "{item}", "{size}", "{board}/{counter}", "{date:%Y-%m-%d}/{prompt:3}-{item:2}")
"""Some of them name many pictures alike: those are told apart by numbers."""
MOSTLY_NEVER = (0.0, 0.0, 0.02, 0.1)


@dataclass(frozen=True, slots=True)
class Setup:
    """One drawn world. mirror: settings of its mirror. wide: see `draw_setup`."""

    capabilities: Capabilities
    mirror: dict[str, Any]
    granularity_ns: int
    folded: bool
    doubled_board: bool
    lives: int
    life_seconds: float
    acts: int
    wide: bool = False

    @property
    def by_subfolder(self) -> bool:
        return "boards" in self.mirror

    @property
    def pulls(self) -> bool:
        return bool(self.mirror["direction"] != "push")

    @property
    def pushes(self) -> bool:
        return bool(self.mirror["direction"] != "pull")

    @property
    def board_names(self) -> list[str]:
        """The boards that people put pictures on."""
        return ["m", *(one.decode() for one in SUBFOLDERS)] if self.by_subfolder else ["board"]

    @property
    def removes(self) -> bool:
        """Whether anything can be taken off the server."""
        return self.capabilities.trash or self.capabilities.deletes

    @property
    def one_item(self) -> bool:
        """Whether the same picture at two paths is one item."""
        return bool(self.mirror["policies"]["same_picture"] == "one")

    def settings(self, state: Path) -> dict[str, Any]:
        """Return the settings as a file would hold them."""
        return {
            "state": str(state),
            "socket": None,
            # Never asked: the simulated server stands in for it.
            "servers": {"server": {"kind": "invokeai", "url": "http://127.0.0.1:9"}},
            "mirrors": [self.mirror],
            "schedule": {"listing_poll_min": 20, "listing_poll_max": 60},
        }


def draw_setup(
    source: random.Random, *, wide: bool, lesser: bool, deleting: bool, naming: bool
) -> Setup:
    """Draw a world. wide: one with more in it than the oldest seeds know.

    lesser: its server can do less than those that the older seeds know. deleting: one without a
    trash may delete for good instead. naming: pulled files may be named by a template, and have
    sidecars.
    """
    pick = source.choice
    direction = pick(("both", "both", "both", "push", "pull"))
    policies = {
        "content_changed": pick(("replace", "keep")),
        "both_changed": pick(("keep-both", "local", "server")),
        "same_picture": pick(("one", "one", "each")),
    }
    if direction != "pull":
        policies["file_deleted"] = pick(("keep", "trash"))
    if direction != "push":
        policies["item_deleted"] = pick(("keep", "trash"))
    where: dict[str, Any] = pick(({"board": "board"}, {"boards": "by-subfolder"}))
    mirror = {
        "name": "m",
        "folder": FOLDER.decode(),
        "server": "server",
        "direction": direction,
        "policies": policies,
        "guard": {"enabled": pick((True, True, False)), "least": pick((2, 4, 10))},
        "trash": {"folder": TRASH.decode()},
        **where,
    }
    if naming and direction != "push":
        mirror["pull"] = {"name": pick(TEMPLATES), "sidecar": pick((None, None, "json"))}
    return Setup(
        capabilities=_draw_capabilities(source, wide=wide, lesser=lesser, deleting=deleting),
        mirror=mirror,
        granularity_ns=pick((1, 1_000_000_000, 2_000_000_000)),
        folded=pick((False, False, False, True)),
        doubled_board=pick((False, False, False, True)),
        lives=pick((1, 2, 3, 4)),
        life_seconds=pick((60.0, 300.0)),
        acts=pick((4, 12, 30)),
        wide=wide,
    )


def _draw_capabilities(
    source: random.Random, *, wide: bool, lesser: bool, deleting: bool
) -> Capabilities:
    drawn = source.choice((CAPABILITIES, NAMED))
    drawn = replace(drawn, reencodes=wide and source.random() < 0.5)
    if not lesser:
        return drawn
    pick = source.choice
    drawn = replace(
        drawn, moves=pick((True, False)), trash=pick((True, False)),
        renames_boards=pick((True, False)),
    )  # fmt: skip
    return replace(drawn, deletes=deleting and not drawn.trash and pick((True, True, False)))


def draw_weather(source: random.Random, setup: Setup) -> Weather:
    """Draw how bad things are during one life of the process.

    Where each path has an item of its own, doubles are only told, so none are made.
    """

    def chance() -> float:
        return source.choice(MOSTLY_NEVER)

    return Weather(
        refused=chance(),
        busy=chance(),
        fault=chance(),
        lost=chance() * 2,
        dropped=chance(),
        late=chance(),
        latest=source.choice(LATE_SECONDS if setup.one_item else LATE_SECONDS[:1]),
        ghost=chance() / 2,
        short=chance() * 2,
        slow=source.choice((0.0, 0.05, 2.0)),
    )
