"""The commands that change images: move, remove, star, unstar, delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import click

from boardsync.cli import consent
from boardsync.cli.choosing import (
    BOARD,
    NAMES,
    WHOLE,
    Choice,
    board_id_of,
    choose_images,
    doubt_absence,
    given_names,
    names_or_board,
    place_of,
)
from boardsync.cli.exits import FAILED
from boardsync.cli.outcomes import DELETED, delete_in_batches, exit_code, print_outcomes
from boardsync.cli.shown import counted
from boardsync.cli.target import JSON, Target, on_invokeai
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.changes import Changed
from boardsync.servers.invokeai.images import Query
from boardsync.servers.invokeai.places import Place

Change = Callable[[InvokeAIClient, Sequence[str], Place], Awaitable[Sequence[Changed]]]
"""A change of images by exact names that are on one board, or anywhere."""


@click.command()
@NAMES
@click.option("--to", "goal", required=True, metavar="BOARD", help="Where they go: a board.")
@BOARD
@JSON
@on_invokeai
def move(
    target: Target, names: tuple[str, ...], goal: str, board: str | None, as_json: bool
) -> int:
    """Move images to another board; `--to none` makes them uncategorized."""

    async def change(
        client: InvokeAIClient, exact: Sequence[str], place: Place
    ) -> Sequence[Changed]:
        return await client.images.move(exact, await board_id_of(client, goal), place)

    return _change(target, names, board, "moved", change, as_json=as_json)


@click.command()
@NAMES
@BOARD
@JSON
@on_invokeai
def remove(target: Target, names: tuple[str, ...], board: str | None, as_json: bool) -> int:
    """Take images off their boards: they become uncategorized."""
    return _change(
        target, names, board, "removed",
        lambda client, exact, place: client.images.remove(exact, place), as_json=as_json,
    )  # fmt: skip


@click.command()
@NAMES
@BOARD
@JSON
@on_invokeai
def star(target: Target, names: tuple[str, ...], board: str | None, as_json: bool) -> int:
    """Star images."""
    return _change(
        target, names, board, "starred",
        lambda client, exact, place: client.images.star(exact, place), as_json=as_json,
    )  # fmt: skip


@click.command()
@NAMES
@BOARD
@JSON
@on_invokeai
def unstar(target: Target, names: tuple[str, ...], board: str | None, as_json: bool) -> int:
    """Take the stars off images."""
    return _change(
        target, names, board, "unstarred",
        lambda client, exact, place: client.images.unstar(exact, place), as_json=as_json,
    )  # fmt: skip


def _change(
    target: Target, names: Sequence[str], board: str | None, done: str, change: Change, *,
    as_json: bool,
) -> int:  # fmt: skip
    """Change the images that names stand for and print what became of each."""
    texts = given_names(names)

    async def work(client: InvokeAIClient) -> Sequence[Changed]:
        place = await place_of(client, board)
        choices = await choose_images(client, texts, place, prefix=True)
        exact = _exact(choices)
        return _merged(choices, await change(client, exact, place) if exact else ())

    results = target.run(work)
    print_outcomes(results, done, as_json=as_json)
    return exit_code(results, done)


@dataclass(frozen=True, slots=True)
class Doomed:
    """Images that are to be deleted, where they have to be, and the names that are no images."""

    place: Place
    names: Sequence[str]
    choices: Sequence[Choice] = ()


@click.command()
@NAMES
@BOARD
@WHOLE
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@on_invokeai
def delete(
    target: Target, names: tuple[str, ...], board: str | None, whole: bool, yes: bool, as_json: bool
) -> int:
    """Delete images for good, after asking: those named, or all of a board.

    NAME is a whole name or its stem. Exit code 0: none of them is left.
    """
    texts = names_or_board(names, board, whole=whole)
    consent.require_somebody(yes)
    doomed = target.run(partial(_doomed, texts, board))
    results: Sequence[Changed] = ()
    if doomed.names:
        count = counted(len(doomed.names), "image")
        if not consent.given(count, doomed.names, yes=yes):
            return FAILED
        results = target.run(lambda client: delete_in_batches(client, doomed.names, doomed.place))
    results = _merged(doomed.choices, results) if doomed.choices else results
    print_outcomes(results, DELETED, as_json=as_json)
    return exit_code(results, DELETED)


async def _doomed(texts: Sequence[str] | None, board: str | None, client: InvokeAIClient) -> Doomed:
    """Find what a deletion is about. Intermediate images of a whole board are among it."""
    place = await place_of(client, board)
    if texts is None:
        return Doomed(place, await client.images.names(Query(place, intermediates=None)))
    choices = await choose_images(client, texts, place, prefix=False)
    choices = await doubt_absence(client, choices)
    return Doomed(place, _exact(choices), choices)


def _exact(choices: Sequence[Choice]) -> Sequence[str]:
    """Return the names of the images that were found, each once."""
    return list(dict.fromkeys(c.image.item_id for c in choices if c.image is not None))


def _merged(choices: Sequence[Choice], results: Sequence[Changed]) -> Sequence[Changed]:
    """Return one result for each name, in the order in which they were given."""
    by_name = {result.name: result for result in results}
    merged: dict[str, Changed] = {}
    for choice in choices:
        result = choice.failure
        if choice.image is not None:
            result = by_name[choice.image.item_id]
        if result is not None:
            merged[result.name] = result
    return list(merged.values())
