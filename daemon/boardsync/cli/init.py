"""`boardsync init`: from a few answers to settings that load, tried on the server itself."""

from __future__ import annotations

import asyncio
import os
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from boardsync.cli import exits, settings_file
from boardsync.cli.access import Context, pass_context
from boardsync.cli.output import print_table, printable
from boardsync.cli.settings_file import Account, Draft
from boardsync.cli.shown import counted
from boardsync.config.load import find
from boardsync.config.model import DirectorySettings, Secret, ServerSettings
from boardsync.config.places import user_settings
from boardsync.config.values import from_values
from boardsync.errors import BoardsyncError, NotAuthorised, SettingsError
from boardsync.model import Board, Direction, ServerInfo
from boardsync.telemetry import logging, redaction

if TYPE_CHECKING:
    from boardsync.servers.port import Server

DEFAULT_URL: Final = "http://127.0.0.1:9090"
DIRECTIONS: Final = click.Choice([direction.value for direction in Direction])
LOGINS: Final = 3
"""How often an account is asked for before a server's refusal is the last word."""

ask = partial(click.prompt, err=True)


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), help="The folder to mirror.")
@click.option("--server", "address", help="URL of an InvokeAI server, or a directory for boards.")
@click.option("--email", help="The account, where the server wants a login.")
@click.option(
    "--password-file", type=click.Path(path_type=Path),
    help="The file where its password is kept; the settings name it.",
)  # fmt: skip
@click.option("--board", help="Board, by name or id; made when missing.")
@click.option("--direction", type=DIRECTIONS)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Where to write the settings."
)
@click.option("--offline", is_flag=True, help="Do not test the connection.")
@pass_context
@exits.explained
def init(
    context: Context, folder: Path | None, address: str | None, email: str | None,
    password_file: Path | None, board: str | None, direction: str | None, output: Path | None,
    offline: bool,
) -> None:  # fmt: skip
    """Write a settings file: asks for what was not given, and tests the connection.

    Where the server wants a login, it asks for the account, too. The settings never hold the
    password: they name --password-file, or a file beside them that only its owner may read.
    """
    logging.configure("warning", "auto")
    target = output or context.named or user_settings(os.environ)
    if target.exists():
        raise SettingsError(f"{target}: exists already; move it away or choose another with -o")
    folder = (folder or Path(str(ask("Folder to mirror")))).expanduser().resolve()
    address = address or ask("InvokeAI server, or directory for boards", DEFAULT_URL)
    server = _server_settings(address)
    account = _given_account(target, server, email, password_file)
    boards: list[Board] = []
    if not offline:
        account, boards = _meet(target, server, account)
    board = board or ask("Board (made when missing)", folder.name)
    direction = direction or ask("Direction", "both", type=DIRECTIONS)
    settings_file.write(target, Draft(folder, server, board, direction, account))
    _make_folder(folder)
    if isinstance(server, DirectorySettings):
        _make_folder(server.path)
    _say_what_is_next(target, account)
    _say_what_is_there(target, next((b for b in boards if board in (b.name, b.board_id)), None))


def _server_settings(address: str) -> ServerSettings:
    """Tell a server from a directory. Raises SettingsError for an address that is neither."""
    if "://" in address:
        section: dict[str, object] = {"kind": "invokeai", "url": address}
    else:
        section = {"kind": "directory", "path": Path(address).expanduser().resolve()}
    return from_values({"servers": {"main": section}}).servers["main"]


def _given_account(
    settings: Path, server: ServerSettings, email: str | None, file: Path | None
) -> Account | None:
    """Return the account of the options; asks for the half that is missing."""
    if email is None and file is None:
        return None
    if isinstance(server, DirectorySettings):
        raise click.UsageError(f"{server.path} is a directory, where nobody logs in.")
    if file is None:
        return _typed_account(settings, email)
    file = file.expanduser().absolute()
    password = Secret(file=file).reveal()
    return Account(email or ask("Email"), password, file, typed=False)


def _typed_account(settings: Path, email: str | None = None, default: str | None = None) -> Account:
    email = email or ask("Email", default)
    password = ask("Password", hide_input=True)
    redaction.hide(password)
    return Account(email, password, settings_file.password_file(settings), typed=True)


def _meet(
    settings: Path, server: ServerSettings, account: Account | None
) -> tuple[Account | None, list[Board]]:
    """Show who is there and its boards; return the account that was let in, if any, and them.

    A server that is away is told and does not stop the asking. Raises NotAuthorised for an
    account that somebody else has to mend: its password is in a file of theirs.
    """
    if isinstance(server, DirectorySettings):
        _make_folder(server.path)
    logins = 0
    while True:
        try:
            info, boards = asyncio.run(_ask_server(server, account))
        except NotAuthorised as error:
            if logins == LOGINS or (account and not account.typed):
                raise
            logins += 1
            click.echo(printable(error), err=True)
            account = _typed_account(settings, default=account.email if account else None)
        except BoardsyncError as error:
            click.echo(f"Not reached: {printable(error)}", err=True)
            if not click.confirm("Write the settings all the same?", default=True, err=True):
                raise
            return account, []
        else:
            _show(info, boards)
            return account, boards


async def _ask_server(
    server: ServerSettings, account: Account | None
) -> tuple[ServerInfo, list[Board]]:
    connection = _connection(server, account)
    try:
        return await connection.probe(), await connection.boards()
    finally:
        await connection.aclose()


def _connection(server: ServerSettings, account: Account | None) -> Server:
    """Connect with a password that no settings name yet."""
    from boardsync.engine.assembly import make_server
    from boardsync.servers.invokeai import InvokeAIServer

    if isinstance(server, DirectorySettings):
        return make_server("main", server)
    email, password = (account.email, account.password) if account else (None, None)
    return InvokeAIServer("main", server.url, email=email, password=password)


def _show(info: ServerInfo, boards: list[Board]) -> None:
    click.echo(printable(f"{info.software} at {info.address}"))
    for remark in info.remarks:
        click.echo(f"  {printable(remark)}")
    if boards:
        print_table(("board", "id", "images"), [(b.name, b.board_id, b.images) for b in boards])


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be made ({error.strerror}); choose another place"
        ) from error


def _say_what_is_next(target: Path, account: Account | None) -> None:
    where = printable(target)
    if account is not None and account.typed:
        click.echo(f"Wrote {printable(account.file)}: the password, which only you may read.")
    command = _command_with(target)
    click.echo(f"Wrote {where}. Next: {command} check, then: {command} run")


def _command_with(target: Path) -> str:
    """Return how commands begin that use these settings."""
    try:
        unnamed = find(None, os.environ) == target.absolute()
    except SettingsError:
        unnamed = False
    return "boardsync" if unnamed else f"boardsync -c {shlex.quote(printable(target))}"


def _say_what_is_there(target: Path, board: Board | None) -> None:
    """Point to `adopt` when the chosen board holds pictures: a first pass would send all files."""
    held = (board.images or 0) + (board.assets or 0) if board else 0
    if board is not None and held:
        click.echo(
            f"{printable(board.name)!r} holds {counted(held, 'picture')} already:"
            f" {_command_with(target)} adopt, before run, links those that the folder has, too."
        )
