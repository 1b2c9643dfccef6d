"""Looks whether a setup can work, without changing anything."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from boardsync.config.model import (
    DirectorySettings,
    HttpSettings,
    MirrorSettings,
    ServerSettings,
    Settings,
)
from boardsync.engine.assembly import make_server
from boardsync.errors import BoardsyncError, SettingsError
from boardsync.local.mounts import is_remote, mount_kind
from boardsync.local.root import open_root
from boardsync.model import Board, Direction
from boardsync.servers.directory.names import require_board_name
from boardsync.servers.port import Server
from boardsync.state import links, places
from boardsync.state.database import open_readonly

LITTLE_ROOM = 1 << 30
SOME_ITEMS = 50
"""So many items of a board are asked whose they are."""
INOTIFY_WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")
INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
WATCHES, INSTANCES = "fs.inotify.max_user_watches", "fs.inotify.max_user_instances"
LEAST = {WATCHES: 524_288, INSTANCES: 1024}
"""What is set at least, once a limit is raised at all: others need some, too."""
SYSCTL_FILE = "/etc/sysctl.d/60-boardsync.conf"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    good: bool
    subject: str
    text: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


async def check_up(settings: Settings) -> list[Finding]:
    """Look at everything the settings name."""
    finding, used, linked = await asyncio.to_thread(_check_state, settings)
    findings = [finding]
    for mirror in settings.mirrors:
        findings += _check_folder(mirror)
        findings += _check_board(mirror, settings.servers[mirror.server])
    findings.append(_check_watches(settings.mirrors))
    findings += _check_http(settings.http)
    for name, server in settings.servers.items():
        fresh = [m for m in settings.mirrors if m.server == name and m.id not in linked]
        findings += await _check_server(name, server, fresh, used_before=name in used)
    return findings


def _check_state(settings: Settings) -> tuple[Finding, set[str], set[str]]:
    """Look at the state file.

    Returns also the servers that it remembers boards of, and the mirrors that linked anything.
    """
    path = settings.state
    subject = f"state {path}"
    directory = path.parent
    while not directory.exists():
        directory = directory.parent
    if not directory.is_dir():
        return Finding(False, subject, f"{directory} is no folder"), set(), set()
    for place in (directory, path):
        if place.exists() and not _may_write(place):
            return Finding(False, subject, f"{place} may not be written"), set(), set()
    try:
        used, linked = _used_before(settings)
    except BoardsyncError as error:
        return Finding(False, subject, str(error)), set(), set()
    return room(directory, subject), used, linked


def _used_before(settings: Settings) -> tuple[set[str], set[str]]:
    """Return the servers whose boards were seen before, and the mirrors that linked anything.

    Such a server that is empty is a disk that is away.
    """
    try:
        state = open_readonly(settings.state)
    except FileNotFoundError:
        return set(), set()
    try:
        with state.read() as connection:
            mirrors = settings.mirrors
            used = {m.server for m in mirrors if places.any_listed(connection, [m.id])}
            return used, {m.id for m in mirrors if links.any_of(connection, m.id)}
    finally:
        state.close()


def _check_folder(mirror: MirrorSettings) -> list[Finding]:
    subject = f"mirror {mirror.name}: {mirror.folder}"
    try:
        open_root(os.fsencode(mirror.folder))
    except BoardsyncError as error:
        return [Finding(False, subject, str(error))]
    if mirror.direction is not Direction.PUSH:
        if not _may_write(mirror.folder):
            return [Finding(False, subject, "may not be written, but pictures are pulled into it")]
        return [room(mirror.folder, subject)]
    return [Finding(True, subject, "can be read")]


def _check_board(mirror: MirrorSettings, server: ServerSettings) -> list[Finding]:
    """Look whether a board of that name can be made, where names of boards are names on a disk."""
    if mirror.board is not None and isinstance(server, DirectorySettings):
        try:
            require_board_name(mirror.board)
        except BoardsyncError as error:
            return [Finding(False, f"mirror {mirror.name}", str(error))]
    return []


def _check_http(http: HttpSettings) -> list[Finding]:
    """Look at the token as the daemon does at its start."""
    if http.listen is None:
        return []
    subject = f"http {http.listen}"
    try:
        token = http.reveal_token()
    except SettingsError as error:
        return [Finding(False, subject, str(error))]
    reach = "this machine alone" if http.listen.is_loopback else "other machines, too"
    return [Finding(True, subject, f"for {reach}; {'with a' if token else 'no'} token")]


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def room(directory: Path, subject: str) -> Finding:
    free = shutil.disk_usage(directory).free
    text = f"{free / (1 << 30):.1f} GiB free"
    return Finding(free >= LITTLE_ROOM, subject, text if free >= LITTLE_ROOM else text + ": little")


def _limit_of(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _check_watches(mirrors: list[MirrorSettings]) -> Finding:
    """Compare the kernel's limit with the number of directories; network mounts are polled."""
    subject = "live watching"
    polled = [m.name for m in mirrors if is_remote(mount_kind(os.fsencode(m.folder)))]
    limit = _limit_of(INOTIFY_WATCHES)
    if limit is None:
        return Finding(True, subject, "no inotify here; folders are polled")
    native = [m.folder for m in mirrors if m.name not in polled]
    needed = sum(1 for folder in native for _ in os.walk(folder))
    text = f"{needed} directories, the limit is {limit} watches"
    if polled:
        text += f"; polled, being on a network: {', '.join(polled)}"
    instances = _limit_of(INOTIFY_INSTANCES)
    if instances is not None and len(native) > instances * 0.9:
        words = f"{len(native)} folders to watch, the limit is {instances} at once"
        return Finding(False, subject, f"{words}: {_sysctl(INSTANCES, len(native))}")
    if needed > limit * 0.9:
        return Finding(False, subject, f"{text}: {_sysctl(WATCHES, needed)}")
    return Finding(True, subject, text)


def _sysctl(name: str, needed: int) -> str:
    """Say how a limit is raised for good: to a power of two with room above what is needed."""
    value = max(LEAST[name], 1 << (2 * needed - 1).bit_length())
    return (
        f"raise the limit: put the line `{name} = {value}` into {SYSCTL_FILE} and run"
        " `sysctl --system`, both as root"
    )


async def _check_server(
    name: str, settings: ServerSettings, fresh: list[MirrorSettings], *, used_before: bool
) -> list[Finding]:
    """Look at a server, and at the boards of its mirrors that linked nothing yet."""
    subject = f"server {name}"
    try:
        server = make_server(name, settings, used_before=used_before)
        try:
            info = await server.probe()
            boards = await server.boards()
            remarks = [one for m in fresh if (one := await _filled_before(server, m, boards))]
        finally:
            await server.aclose()
    except BoardsyncError as error:
        return [Finding(False, subject, str(error))]
    told = "".join(f"; {remark}" for remark in info.remarks)
    text = f"{info.software} at {info.address}, {len(boards)} boards{told}"
    return [Finding(True, subject, text), *remarks]


async def _filled_before(
    server: Server, mirror: MirrorSettings, boards: list[Board]
) -> Finding | None:  # fmt: skip
    """Tell when somebody else filled a board that a mirror is about to fill: no obstacle.

    Only of kinds whose boards tell how much they hold: to list a directory is to begin to use it.
    """
    names = await asyncio.to_thread(_board_names, mirror)
    for board in boards:
        if board.name not in names and (board.board_id or "") != mirror.board:
            continue
        if not (board.images or board.assets):
            continue
        entries = (await server.listing(board.board_id)).entries or ()
        some = [one.item_id for one in entries[:SOME_ITEMS]]
        marks = await server.marks(board.board_id, some) if some else {}
        if None in marks.values():
            return Finding(
                True,
                f"mirror {mirror.name}: board {board.name}",
                f"pictures are on it ({len(entries)}) that nothing is linked to yet;"
                f" `boardsync adopt {mirror.name}` before the first pass links"
                " those that the folder has, too",
            )
    return None


def _board_names(mirror: MirrorSettings) -> set[str]:
    """Return the names that a mirror's boards may have."""
    if mirror.boards is None:
        return {mirror.board or ""}
    try:
        with os.scandir(mirror.folder) as entries:
            return {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    except OSError:
        return set()
