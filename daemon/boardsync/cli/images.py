"""`boardsync images`: look at the images of a server, send, fetch, change and delete them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from boardsync.cli.choosing import BOARD, NAME, NAMES, given_names, place_of
from boardsync.cli.exits import FAILED, OK
from boardsync.cli.image_changes import delete, move, remove, star, unstar
from boardsync.cli.image_transfers import download, upload
from boardsync.cli.output import print_json
from boardsync.cli.shown import image_record, print_images, print_record, printable
from boardsync.cli.target import JSON, Target, on_invokeai
from boardsync.model import Category, Item
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.images import Page, Query, Workflow
from boardsync.servers.invokeai.naming import exact_name


@click.group()
def images() -> None:
    """List, send, fetch, change and delete images of a server.

    NAME is an image's name, its stem, or the beginning of just one name; what deletes takes
    no beginnings. Where several are taken, `-` reads them from standard input, one in a line.
    """


for _command in (upload, download, move, remove, star, unstar, delete):
    images.add_command(_command)


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose among images."""
    category = click.option(
        "--category", "categories", multiple=True, type=click.Choice([c.value for c in Category]),
        help="Only this category; may be repeated.",
    )  # fmt: skip
    search = click.option(
        "--search", metavar="TEXT",
        help="Only what has this in its metadata or creation time; % and _ are wildcards.",
    )  # fmt: skip
    decorated: Callable[..., Any] = BOARD(search(category(command)))
    return decorated


@images.command("list")
@filters
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Leave out so many.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--all", "everything", is_flag=True, help="All of them: --limit does not count.")
@click.option("--starred-first", is_flag=True, help="Starred ones before all others.")
@JSON
@on_invokeai
def list_images(
    target: Target, board: str | None, search: str | None, categories: Sequence[str],
    offset: int, limit: int, everything: bool, starred_first: bool, as_json: bool,
) -> None:  # fmt: skip
    """List images, newest first; intermediate ones are left out."""
    query = Query(
        search=search,
        categories=[Category(category) for category in categories],
        stars_first=starred_first,
        offset=offset,
        limit=None if everything else limit,
    )
    page = target.run(partial(_page, board, query))
    if as_json:
        records = [image_record(image) for image in page.items]
        print_json({"images": records, "offset": offset, "total": page.total})
        return
    print_images(page.items)
    if len(page.items) < page.total:
        click.echo(f"{len(page.items)} of {page.total} images; --all lists them all", err=True)
