"""`boardsync images`: look at the images of a server, send, fetch, change and delete them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import click

from boardsync.cli.choosing import BOARD, NAME, NAMES, given_names, place_of
from boardsync.cli.exits import FAILED, OK
from boardsync.cli.image_changes import delete, move, remove, star, unstar
from boardsync.cli.image_transfers import download, upload
from boardsync.cli.output import print_json, printable
from boardsync.cli.shown import image_record, print_images, print_record
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


async def _page(board: str | None, query: Query, client: InvokeAIClient) -> Page:
    return await client.images.list(replace(query, place=await place_of(client, board)))


@images.command()
@filters
@JSON
@on_invokeai
def count(
    target: Target, board: str | None, search: str | None, categories: Sequence[str], as_json: bool
) -> None:
    """Count images; intermediate ones are left out."""
    query = Query(search=search, categories=[Category(category) for category in categories])

    async def work(client: InvokeAIClient) -> int:
        return await client.images.count(replace(query, place=await place_of(client, board)))

    found = target.run(work)
    if as_json:
        print_json({"count": found})
    else:
        click.echo(found)


@images.command()
@NAME
@BOARD
@JSON
@on_invokeai
def show(target: Target, name: str, board: str | None, as_json: bool) -> None:
    """Describe one image."""
    found = target.run(partial(_one, name, board))
    print_record(image_record(found), as_json=as_json)


@images.command()
@NAME
@BOARD
@JSON
@on_invokeai
def metadata(target: Target, name: str, board: str | None, as_json: bool) -> None:
    """Print the metadata of one image, as JSON in any case."""

    async def work(client: InvokeAIClient) -> tuple[Item, Mapping[str, object] | None]:
        image = await _one(name, board, client)
        return image, await client.images.metadata(image.item_id)

    image, found = target.run(work)
    if found is None and not as_json:
        click.echo(f"{printable(image.item_id)} has no metadata", err=True)
    else:
        print_json(found)


@images.command()
@NAME
@BOARD
@JSON
@on_invokeai
def workflow(target: Target, name: str, board: str | None, as_json: bool) -> None:
    """Print the workflow and the graph that made one image, as JSON in any case."""

    async def work(client: InvokeAIClient) -> tuple[Item, Workflow]:
        image = await _one(name, board, client)
        return image, await client.images.workflow(image.item_id)

    image, found = target.run(work)
    texts = {"workflow": found.workflow, "graph": found.graph}
    parsed = {key: _parsed(text) for key, text in texts.items() if text is not None}
    if not parsed and not as_json:
        click.echo(f"{printable(image.item_id)} has no workflow", err=True)
    else:
        print_json(parsed)


@images.command()
@NAMES
@JSON
@on_invokeai
def records(target: Target, names: tuple[str, ...], as_json: bool) -> int:
    """Describe many images at once, by whole names or stems. Exit code 1: some are missing."""
    texts = {text: exact_name(text) for text in given_names(names)}
    wanted = list(dict.fromkeys(texts.values()))
    found = target.run(lambda client: client.images.records(wanted))
    there = {image.item_id for image in found}
    missing = [text for text, name in texts.items() if name not in there]
    if as_json:
        print_json({"images": [image_record(image) for image in found], "missing": missing})
    else:
        print_images(found)
        for text in missing:
            click.echo(f"boardsync: there is no image {text!r} to be seen", err=True)
    return FAILED if missing else OK


async def _one(name: str, board: str | None, client: InvokeAIClient) -> Item:
    return await client.images.resolve(name, await place_of(client, board))


def _parsed(text: str) -> Any:
    """Return what a JSON text says, or the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text
