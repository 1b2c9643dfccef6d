"""`boardsync boards`: look at the boards of a server, make, change and delete them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import click

from boardsync.cli import shown
from boardsync.cli.access import Context, pass_context
from boardsync.cli.board_deletion import delete
from boardsync.cli.choosing import refuse_uncategorized
from boardsync.cli.exits import explained
from boardsync.cli.output import print_json
from boardsync.cli.target import JSON, Target, chosen, on_invokeai, server_options
from boardsync.config.model import DirectorySettings
from boardsync.errors import BoardsyncError, OutcomeUnknown
from boardsync.model import Board
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.boards import BoardCreated, Visibility

BOARD = click.argument("board")
VISIBILITIES = click.Choice([visibility.value for visibility in Visibility])


@click.group()
def boards() -> None:
    """List, make, change and delete boards of a server.

    BOARD is an id or a name. `none` is Uncategorized, the images without a board; a board
    that is really named none goes by its id, and so do boards that share a name.
    """


@boards.command("list")
@click.option(
    "--archived/--no-archived", default=True, show_default=True, help="Archived boards, too."
)
@click.option("--uncategorized", is_flag=True, help="Uncategorized, too.")
@JSON
@server_options
@pass_context
@explained
def list_boards(
    context: Context, server: str | None, url: str | None, archived: bool, uncategorized: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """List the boards, oldest first, with their counts. Works on directories, too."""
    name, settings = chosen(context, server, url)
    if isinstance(settings, DirectorySettings):
        if uncategorized:
            raise click.UsageError(f"Server {name!r} is a directory: it has no Uncategorized.")
        found = _folders(name, settings)
    else:
        found = Target(name, settings).run(
            lambda client: client.boards.list(archived=archived, uncategorized=uncategorized)
        )
    shown.print_boards(found, as_json=as_json)


def _folders(name: str, settings: DirectorySettings) -> Sequence[Board]:
    """List a directory's boards. It must be known: looking never claims a bare mount point."""
    from boardsync.servers.directory import DirectoryServer

    return asyncio.run(DirectoryServer(name, settings.path, used_before=True).boards())


@boards.command()
@BOARD
@JSON
@on_invokeai
def show(target: Target, board: str, as_json: bool) -> None:
    """Describe BOARD."""
    found = target.run(lambda client: client.boards.resolve(board))
    shown.print_record(shown.board_record(found), as_json=as_json)


@boards.command()
@click.argument("name")
@click.option("--visibility", type=VISIBILITIES, help="Who sees it, on a server with accounts.")
@click.option("--private", is_flag=True, help="The same as --visibility private.")
@JSON
@on_invokeai
def create(target: Target, name: str, visibility: str | None, private: bool, as_json: bool) -> None:
    """Make a board called NAME. Names may be shared, so this makes a new one each time."""
    if private and visibility not in (None, Visibility.PRIVATE):
        raise click.UsageError(f"--private and --visibility {visibility} contradict each other.")
    created = target.run(partial(_created, name, visibility, private))
    for remark in created.remarks:
        click.echo(f"boardsync: {remark}", err=True)
    if as_json:
        print_json({"board": shown.board_record(created.board), "remarks": list(created.remarks)})
    else:
        click.echo(f"Made board {shown.board_words(created.board)}.")


async def _created(
    name: str, visibility: str | None, private: bool, client: InvokeAIClient
) -> BoardCreated:
    wanted = None if visibility is None else Visibility(visibility)
    try:
        return await client.boards.create(name, visibility=wanted, private=private)
    except OutcomeUnknown as error:
        raise BoardsyncError(
            f"{error}. The board may be there all the same: look with `boardsync boards list` "
            "before this is repeated, for that would make a second one"
        ) from error


@boards.command()
@BOARD
@click.argument("name")
@JSON
@on_invokeai
def rename(target: Target, board: str, name: str, as_json: bool) -> None:
    """Call BOARD by another NAME."""
    _change(
        target, board, "renamed", lambda client, board_id: client.boards.rename(board_id, name),
        as_json=as_json,
    )  # fmt: skip


@boards.command()
@BOARD
@JSON
@on_invokeai
def archive(target: Target, board: str, as_json: bool) -> None:
    """Archive BOARD: the server's web page hides it, and it stays usable."""
    _change(
        target, board, "archived", lambda client, board_id: client.boards.archive(board_id),
        as_json=as_json,
    )  # fmt: skip


@boards.command()
@BOARD
@JSON
@on_invokeai
def unarchive(target: Target, board: str, as_json: bool) -> None:
    """Bring BOARD back from the archive."""
    _change(
        target, board, "unarchived",
        lambda client, board_id: client.boards.archive(board_id, archived=False), as_json=as_json,
    )  # fmt: skip


@boards.command()
@BOARD
@click.argument("visibility", type=VISIBILITIES)
@JSON
@on_invokeai
def visibility(target: Target, board: str, visibility: str, as_json: bool) -> None:
    """Change who sees BOARD, on a server with accounts.

    private: its owner. shared: others may look. public: others may add and change images.
    """
    _change(
        target, board, f"made {visibility}",
        lambda client, board_id: client.boards.set_visibility(board_id, Visibility(visibility)),
        as_json=as_json,
    )  # fmt: skip


def _change(
    target: Target, board: str, done: str,
    change: Callable[[InvokeAIClient, str | None], Awaitable[Board]], *, as_json: bool,
) -> None:  # fmt: skip
    """Change a board and print how it is now. done: the word for what happened to it."""
    refuse_uncategorized(board, done)

    async def work(client: InvokeAIClient) -> Board:
        found = await client.boards.resolve(board)
        return await change(client, found.board_id)

    changed = target.run(work)
    if as_json:
        shown.print_record(shown.board_record(changed), as_json=True)
    else:
        click.echo(f"Board {shown.board_words(changed)}: {done}.")


boards.add_command(delete)
