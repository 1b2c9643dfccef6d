"""What every part of the engine needs to know of one mirror."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from boardsync.config.model import MirrorSettings
from boardsync.engine.brake import Brake
from boardsync.engine.clock import Clock
from boardsync.engine.gate import Gate
from boardsync.engine.mirror_rules import rules_of
from boardsync.files.disk import SYSTEM, Disk
from boardsync.files.durable import make_durable_directory
from boardsync.files.ownership import Ownership
from boardsync.formats import format_by_extension
from boardsync.local.ignore import Rules
from boardsync.local.root import read_ignore_file
from boardsync.local.trash import LocalTrash
from boardsync.picture.decode import Limits
from boardsync.plan.cases import PullPolicy
from boardsync.plan.guards import Guard
from boardsync.plan.layout import Layout
from boardsync.plan.links import Policy
from boardsync.plan.settling import Waits
from boardsync.servers.port import Server
from boardsync.state.database import State

Times = dict[int, list[tuple[str, int]]]
"""Items with the moment in which they were made (ms), by its second."""


def _nobody(_: object) -> None:
    """Nobody listens: a plan that is only shown, or a test."""


@dataclass(slots=True)
class Hints:
    """How whoever carries something out asks the mirror's worker to look again."""

    boards: Callable[[str], None] = _nobody
    path: Callable[[bytes], None] = _nobody


@dataclass(frozen=True, slots=True)
class Mirror:
    """One mirror, ready to work: its settings, its server, its number in the state.

    seen_boards: boards (our numbers) whose items were all seen and read since this process
    began, or since the server was last away. No upload starts to any other. partly_listed: those
    of them of which the last listing was incomplete: each upload is looked up first.
    fetching: temporary files that are being written. durable: directories that are known to be.
    awaited: items, with their boards, that leave while a file is to be linked to them, and tokens
    of pictures that are sent while an item is to move to where they go. leaving:
    those that an undo takes away now. proving: boards of which the newest items were seen whole, or
    not, since this process began.
    compiled: the rules by the content of the ignore file they were made with. unlinked: by board,
    see `engine.pulled_before`. host: this machine's name, for conflict names. ownership:
    what pulled files are given.
    """

    settings: MirrorSettings
    number: int
    root: bytes
    layout: Layout
    server: Server
    gate: Gate
    state: State
    clock: Clock
    trash: LocalTrash
    host: str
    disk: Disk = SYSTEM
    brake: Brake = field(default_factory=Brake)
    ownership: Ownership = field(default_factory=Ownership)
    seen_boards: set[int] = field(default_factory=set)
    partly_listed: set[int] = field(default_factory=set)
    fetching: set[bytes] = field(default_factory=set)
    durable: set[bytes] = field(default_factory=set)
    awaited: set[tuple[int, str]] = field(default_factory=set)
    leaving: set[tuple[int, str]] = field(default_factory=set)
    proving: set[int] = field(default_factory=set)
    hints: Hints = field(default_factory=Hints)
    compiled: dict[bytes, Rules] = field(default_factory=dict)
    unlinked: dict[int, Times] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The mirror's `id`: what tokens and marks name."""
        return self.settings.id

    @property
    def name(self) -> str:
        return self.settings.name

    def absolute(self, path: bytes) -> bytes:
        """Return a file's absolute path."""
        return os.path.join(self.root, path)

    def make_directory_of(self, path: bytes) -> None:
        """Make the directory of an absolute path below the folder, durable. Raises OSError."""
        make_durable_directory(os.path.dirname(path), self.root, self.durable, self.disk)

    def make_directory_to_pull(self, path: bytes) -> None:
        """Do the same for a file that is pulled: the directories are whose that file is."""
        make_durable_directory(
            os.path.dirname(path), self.root, self.durable, self.disk,
            lambda made: self.ownership.give_directory(made, self.disk),
        )  # fmt: skip

    def board_name(self, subfolder: bytes) -> str:
        """Return the name, or the id, of the board that a subfolder's pictures go to."""
        if self.settings.board is not None:
            return self.settings.board
        if subfolder:
            return subfolder.decode(errors="backslashreplace")
        return self.settings.default_board or self.settings.name

    def remote_name(self, path: bytes) -> str:
        """Return a file's name for kinds that keep names: its path below the board's folder."""
        subfolder = self.layout.subfolder_of(path)
        below = path[len(subfolder) + 1 :] if subfolder else path
        return below.decode("utf-8", "surrogateescape")

    def rules(self) -> Rules:
        """Return the rules as they are now, `.boardsyncignore` included.

        Pulled files are observed like all others; the planner knows not to push them. Raises
        SettingsError for an ignore file that cannot be used.
        """
        content = read_ignore_file(self.root, self.disk)
        rules = self.compiled.get(content)
        if rules is None:
            rules = rules_of(self.settings, content)
            self.compiled.clear()
            self.compiled[content] = rules
        return rules

    def waits(self) -> Waits:
        settle = self.settings.settle
        return Waits(settle.quiet, settle.quiet_uncertain, settle.rewrite)

    def has_end_mark(self, path: bytes) -> bool:
        found = format_by_extension(path)
        return found is not None and found.end_mark

    def limits(self) -> Limits:
        own, server = self.settings, self.server.capabilities
        return Limits(
            max_pixels=min(own.max_pixels, server.max_pixels or own.max_pixels),
            max_bytes=min(own.max_bytes, server.max_bytes or own.max_bytes),
        )

    def policy(self) -> Policy:
        """Return what happens when one side of a picture is not as it was."""
        own, direction = self.settings.policies, self.settings.direction
        can = self.server.capabilities
        return Policy(
            pushes=direction.pushes,
            pulls=direction.pulls,
            file_deleted=own.file_deleted,
            item_deleted=own.item_deleted,
            content_changed=own.content_changed,
            both_changed=own.both_changed,
            names_kept=can.names_kept,
            moves=can.moves,
            trashes=can.trash,
            one_item=own.same_picture == "one",
        )

    def guard(self) -> Guard:
        own = self.settings.guard
        return Guard(own.enabled, own.share, own.least, own.most, own.whole)

    def pull_policy(self) -> PullPolicy:
        pull = self.settings.pull
        categories = frozenset(pull.categories) if self.server.capabilities.categories else None
        return PullPolicy(categories, pull.marked, pull.starred_only, _since_ms(pull.since))


def _since_ms(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)  # type: ignore[arg-type]
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return int(value.timestamp() * 1000)
