"""What systemd is given of boardsync: the shipped units, made to fit one installation.

Only texts and names are made here; `boardsync.cli.installing` writes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from boardsync.config.model import DirectorySettings, MirrorSettings, Settings
from boardsync.config.places import SYSTEM_SETTINGS, user_settings
from boardsync.errors import NeedsPerson
from boardsync.model import Direction

ACCOUNT = "boardsync"
FOLDERS = "folders.conf"
"""The drop-in that is made from the settings."""
_START = "ExecStart=boardsync -c "
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108
_GENERATED = """\
# Made by `boardsync service install` from the settings; run it again when their folders change.
# Another drop-in beside this one is yours and stays.

[Service]
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """One service: a person's own, the system's, or one of several of the system's."""

    user: bool = False
    instance: str | None = None

    @property
    def name(self) -> str:
        return (
            "boardsync.service" if self.instance is None else f"boardsync@{self.instance}.service"
        )

    @property
    def file(self) -> str:
        """The name of its unit file, which the instances share."""
        return "boardsync.service" if self.instance is None else "boardsync@.service"

    @property
    def settings(self) -> Path:
        """The settings that it reads unless it is told others."""
        if self.user:
            return user_settings(os.environ)
        if self.instance is None:
            return SYSTEM_SETTINGS
        return SYSTEM_SETTINGS.with_name(f"{self.instance}.yaml")

    @property
    def state(self) -> Path | None:
        """The directory that systemd makes for it; None: it uses its person's."""
        return None if self.user else Path("/var/lib/boardsync", self.instance or "")


def shipped() -> Path:
    """Return where the units lie that come with this program: in the wheel or the source tree."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "systemd"
    return inside if inside.is_dir() else package.parent.parent / "systemd"


def unit_text(unit: Unit, program: Path, settings: Path) -> str:
    """Return a unit file that starts this program with these settings."""
    text = (shipped() / ("user" if unit.user else "") / unit.file).read_text(encoding="utf-8")
    before, _, after = text.partition(_START)
    named, _, rest = after.partition(" run\n")
    # An instance's unit is everybody's: systemd puts the name of the settings in.
    if settings != unit.settings:
        named = quoted(settings).replace("$", "$$")
    return f"{before}ExecStart={quoted(program)} -c {named} run\n{rest}"


def folders_text(unit: Unit, settings: Settings, account: str | None) -> str:
    """Return the drop-in for what the settings name. account: the user it is to run as."""
    lines = [f"User={account}"] if account else []
    if not unit.user:
        paths = sorted(set(written(unit, settings)))
        lines += [f"ReadWritePaths={quoted(f'-{path}')}" for path in paths]
        if any(path.is_relative_to(place) for path in _named(settings) for place in _TEMPORARY):
            lines.append("PrivateTmp=no")
    return _GENERATED + "".join(f"{line}\n" for line in lines)


def written(unit: Unit, settings: Settings) -> Iterator[Path]:
    """Yield the directories that a service with these settings writes to, its own left out."""
    for mirror in settings.mirrors:
        if mirror.direction is not Direction.PUSH:
            yield _with_trash(mirror)
    for server in settings.servers.values():
        if isinstance(server, DirectorySettings):
            yield server.path
    own = unit.state
    for file in (settings.state, settings.socket):
        if file is not None and own is not None and not _given(file, own):
            yield file.parent


def _given(file: Path, own: Path) -> bool:
    return file.is_relative_to(own) or file.is_relative_to("/run")


def _with_trash(mirror: MirrorSettings) -> Path:
    """Return a mirror's folder, or what it has in common with the trash that files move to.

    Two places that are made writable one by one are two mounts, and no rename leads from one to
    the other. Without a trash of its own the folder keeps it inside, because what is above is
    read-only.
    """
    if mirror.trash.folder is None:
        return mirror.folder
    common = Path(os.path.commonpath((mirror.folder, mirror.trash.folder)))
    if common == Path("/"):
        raise NeedsPerson(
            f"mirror {mirror.name}: {mirror.folder} and its trash {mirror.trash.folder} have only"
            " / in common, which a service may not write to; set `trash.folder` to a place nearer"
        )
    return common


def _named(settings: Settings) -> Iterator[Path]:
    for mirror in settings.mirrors:
        yield mirror.folder
    for server in settings.servers.values():
        if isinstance(server, DirectorySettings):
            yield server.path


def quoted(value: object) -> str:
    """Write a word as systemd reads it back. Raises NeedsPerson for what no unit can hold."""
    text = str(value)
    if not text.isprintable():
        raise NeedsPerson(f"{text!r}: a unit cannot name it; rename it")
    for letter, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%")):
        text = text.replace(letter, escaped)
    return f'"{text}"'
