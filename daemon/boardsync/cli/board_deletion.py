"""`boardsync boards delete`: a board for good, and its images only when asked to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import click

from boardsync.cli import consent, outcomes
from boardsync.cli.choosing import refuse_uncategorized
from boardsync.cli.exits import FAILED, OK
from boardsync.cli.output import print_json
from boardsync.cli.shown import board_record, board_words, counted
from boardsync.cli.target import JSON, Target, on_invokeai
from boardsync.model import Board
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.changes import Changed
from boardsync.servers.invokeai.images import Query


@dataclass(frozen=True, slots=True)
class Doomed:
    """A board that is to be deleted, and the names of all its images, intermediate ones too."""

    board: Board
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """What a deletion did. deleted: False when the board stays, because images of it do."""

    deleted: bool
    images: Sequence[Changed] = ()
    released: Sequence[str] = ()


@click.command()
@click.argument("board")
@click.option("--with-images", is_flag=True, help="Delete its images for good as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@on_invokeai
def delete(target: Target, board: str, with_images: bool, yes: bool, as_json: bool) -> int:
    """Delete BOARD after asking. Its images are kept and become uncategorized."""
    refuse_uncategorized(board, "deleted")
    consent.require_somebody(yes)
    doomed = target.run(partial(find_doomed, board))
    count = counted(len(doomed.names), "image")
    if with_images:
        agreed = consent.given(
            f"board {board_words(doomed.board)} and {count}", doomed.names, yes=yes
        )
    else:
        what = f"board {board_words(doomed.board)}; what is on it is kept: {count}"
        agreed = consent.given(what, (), yes=yes)
    if not agreed:
        return FAILED
    ended = target.run(partial(end_board, doomed, with_images))
    _print_ended(doomed.board, ended, as_json=as_json)
    return OK if ended.deleted else FAILED


async def find_doomed(board: str, client: InvokeAIClient) -> Doomed:
    """Find the board that is meant, and what is on it. Raises BoardMissing or Ambiguous."""
    found = await client.boards.resolve(board)
    return Doomed(found, await client.images.names(Query(found.board_id, intermediates=None)))


async def end_board(doomed: Doomed, with_images: bool, client: InvokeAIClient) -> Ended:
    """Delete exactly what was agreed to: images that came since become uncategorized."""
    board_id = doomed.board.board_id
    images: Sequence[Changed] = ()
    if with_images:
        images = await outcomes.delete_in_batches(client, doomed.names, board_id)
        if not outcomes.all_gone(images):
            return Ended(deleted=False, images=images)
    gone = await client.boards.delete(board_id)
    return Ended(deleted=True, images=images, released=gone.released)


def _print_ended(board: Board, ended: Ended, *, as_json: bool) -> None:
    if as_json:
        told = {"board": board_record(board), "deleted": ended.deleted}
        told |= {"released": list(ended.released)}
        print_json(told | outcomes.told(ended.images, outcomes.DELETED))
        return
    if ended.images:
        outcomes.print_outcomes(ended.images, outcomes.DELETED, as_json=False)
    if not ended.deleted:
        click.echo(f"Board {board_words(board)} stays, because images of it are still there.")
        return
    kept = counted(len(ended.released), "image")
    more = f"; {kept} became uncategorized" if ended.released else ""
    click.echo(f"Deleted board {board_words(board)}{more}.")
