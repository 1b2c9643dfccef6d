"""The commands around a setup: init, check, completion, version.

The engine is imported by the two that need it: `version` and `completion` answer at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from boardsync import __version__
from boardsync.cli import exits
from boardsync.cli.access import Context, pass_context
from boardsync.cli.output import print_json, print_table, printable
from boardsync.config.load import load
from boardsync.config.model import DirectorySettings, InvokeAISettings, ServerSettings
from boardsync.config.places import user_settings
from boardsync.errors import BoardsyncError, SettingsError
from boardsync.model import Board, ServerInfo
from boardsync.telemetry import logging

if TYPE_CHECKING:
    from boardsync.engine.checkup import Finding

DEFAULT_URL = "http://127.0.0.1:9090"
SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def version(as_json: bool) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": __version__, "python": sys.version.split()[0]})
    else:
        click.echo(f"boardsync {__version__}")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    bash: eval "$(boardsync completion bash)", in ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    from boardsync.cli.main import main

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101
    click.echo(found(main, {}, "boardsync", "_BOARDSYNC_COMPLETE").source())


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
@exits.explained
def check(context: Context, as_json: bool) -> None:
    """Check settings, folders, permissions, servers, disk room and watcher limits.

    Changes nothing. Exit code 1: something stands in the way; 78: the settings do.
    """
    from boardsync.engine.checkup import check_up

    settings = context.settings()
    findings = asyncio.run(check_up(settings))
    if as_json:
        print_json(
            {"settings": str(context.config_path), "findings": [f.as_dict() for f in findings]}
        )
    else:
        click.echo(f"{printable(context.config_path)}: valid")
        print_table(("", "what", "found"), [_row(finding) for finding in findings])
    sys.exit(exits.FAILED if any(not finding.good for finding in findings) else exits.OK)


def _row(finding: Finding) -> tuple[str, str, str]:
    return ("ok" if finding.good else "BAD", finding.subject, finding.text)


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), help="The folder to mirror.")
@click.option("--server", "address", help="URL of an InvokeAI server, or a directory for boards.")
@click.option("--board", help="Board, by name or id; made when missing.")
@click.option("--direction", type=click.Choice(["both", "push", "pull"]))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Where to write the settings."
)
@click.option("--offline", is_flag=True, help="Do not test the connection.")
@pass_context
@exits.explained
def init(
    context: Context, folder: Path | None, address: str | None, board: str | None,
    direction: str | None, output: Path | None, offline: bool,
) -> None:  # fmt: skip
    """Write a settings file: asks for what was not given, and tests the connection."""
    logging.configure("warning", "auto")
    target = output or context.named or user_settings(os.environ)
    if target.exists():
        raise SettingsError(f"{target}: exists already; move it away or choose another with -o")
    folder = folder or Path(str(click.prompt("Folder to mirror")))
    folder = folder.expanduser().resolve()
    address = address or click.prompt("InvokeAI server, or directory for boards", DEFAULT_URL)
    if not offline:
        _show_server(address)
    board = board or click.prompt("Board (made when missing)", folder.name)
    direction = direction or click.prompt(
        "Direction", "both", type=click.Choice(["both", "push", "pull"])
    )
    _write(target, settings_text(folder, address, board, direction))
    folder.mkdir(parents=True, exist_ok=True)
    if "://" not in address:
        Path(address).expanduser().mkdir(parents=True, exist_ok=True)
    where = printable(target)
    click.echo(f"Wrote {where}. Next: boardsync -c {where} check, then: boardsync -c {where} run")


def _write(target: Path, text: str) -> None:
    """Write a settings file that loads, never over another one. Raises SettingsError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise SettingsError(
            f"{target}: cannot be written ({error.strerror}); choose another place with -o"
        ) from error
    try:
        load(target)
    except SettingsError:
        target.unlink()
        raise


def _show_server(address: str) -> None:
    """Ask who is there and list the boards; a failure is told and does not stop the asking."""
    try:
        info, boards = asyncio.run(_ask_server(address))
    except BoardsyncError as error:
        click.echo(f"Not reached: {printable(error)}", err=True)
        if not click.confirm("Write the settings all the same?", default=True):
            raise
        return
    click.echo(printable(f"{info.kind} {info.version} at {info.address}"))
    for remark in info.remarks:
        click.echo(f"  {printable(remark)}")
    if boards:
        print_table(("board", "id", "images"), [(b.name, b.board_id, b.images) for b in boards])


async def _ask_server(address: str) -> tuple[ServerInfo, list[Board]]:
    from boardsync.engine.assembly import make_server

    settings: ServerSettings
    if "://" in address:
        settings = InvokeAISettings(kind="invokeai", url=address)
    else:
        path = Path(address).expanduser()
        path.mkdir(parents=True, exist_ok=True)
        settings = DirectorySettings(kind="directory", path=path.resolve())
    server = make_server("server", settings)
    try:
        return await server.probe(), await server.boards()
    finally:
        await server.aclose()


def settings_text(folder: Path, address: str, board: str, direction: str) -> str:
    """Return a commented settings file. Raises SettingsError for what no text can hold."""
    if "://" in address:
        server = f"    kind: invokeai\n    url: {quoted(address)}"
    else:
        path = str(Path(address).expanduser().resolve())
        server = f"    kind: directory\n    path: {quoted(path)}"
    name = quoted(board)
    return f"""\
# boardsync settings. Every setting and its default: docs/settings.md and config.example.yaml.

servers:
  main:
{server}

mirrors:
  - name: {name}
    # Survives renaming: marks on the server name it. Keep it.
    id: {name}
    folder: {quoted(str(folder))}
    server: main
    # By name or id; resolved once, made when missing.
    board: {name}
    # both: pictures go up, the server's outputs come down to `outputs/` below the folder.
    direction: {direction}
"""


def quoted(text: str) -> str:
    """Write text as YAML reads it back. Raises SettingsError for bytes that are no text."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise SettingsError(f"{text!r}: holds bytes that are no UTF-8; settings cannot name it")
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"
