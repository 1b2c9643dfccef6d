"""The settings file that `init` writes: commented for people, and proved by loading it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from boardsync.config.load import load
from boardsync.config.model import DirectorySettings, ServerSettings
from boardsync.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Account:
    """A login on a server. typed: its password is not in `file` yet, and is ours to write."""

    email: str
    password: str = field(repr=False)
    file: Path
    typed: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody chose for a first mirror."""

    folder: Path
    server: ServerSettings
    board: str
    direction: str
    account: Account | None = None


def password_file(settings: Path) -> Path:
    """Return where a typed password is kept: beside the settings, which name it."""
    return settings.absolute().with_name(f"{settings.name}.password")


def write(target: Path, draft: Draft) -> None:
    """Write settings that load, and a typed password into its own file; never over a file.

    Raises SettingsError, and then nothing is left.
    """
    with ExitStack() as undo:
        if draft.account is not None and draft.account.typed:
            _write_new(undo, draft.account.file, f"{draft.account.password}\n", mode=0o600)
        _write_new(undo, target, settings_text(draft))
        load(target)
        undo.pop_all()


def settings_text(draft: Draft) -> str:
    """Return a commented settings file. Raises SettingsError for what no text can hold."""
    name = quoted(draft.board)
    return f"""\
# boardsync settings. Every setting and its default: docs/settings.md and config.example.yaml.

servers:
  main:
{_server_lines(draft.server, draft.account)}

mirrors:
  - name: {name}
    # Survives renaming: marks on the server name it. Keep it.
    id: {name}
    folder: {quoted(str(draft.folder))}
    server: main
    # By name or id; resolved once, made when missing.
    board: {name}
    # both: pictures go up, the server's outputs come down to `outputs/` below the folder.
    direction: {draft.direction}
"""


def quoted(text: str) -> str:
    """Write text as YAML reads it back. Raises SettingsError for bytes that are no text."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise SettingsError(f"{text!r}: holds bytes that are no UTF-8; settings cannot name it")
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def _server_lines(server: ServerSettings, account: Account | None) -> str:
    if isinstance(server, DirectorySettings):
        return f"    kind: directory\n    path: {quoted(str(server.path))}"
    lines = f"    kind: invokeai\n    url: {quoted(server.url)}"
    if account is None:
        return lines
    place = f"{{file: {quoted(str(account.file))}}}"
    return f"{lines}\n    email: {quoted(account.email)}\n    password: {place}"


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"


def _write_new(undo: ExitStack, path: Path, text: str, *, mode: int = 0o666) -> None:
    """Make a file, and give `undo` its removal. mode: what the umask leaves of it, at once."""

    def make(name: str, flags: int) -> int:
        return os.open(name, flags, mode)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8", opener=make) as stream:
            undo.callback(path.unlink, missing_ok=True)
            stream.write(text)
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be written ({error.strerror}); choose another place with -o"
        ) from error
