"""The commands that carry images: upload and download."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from boardsync.cli.bounds import within_bounds
from boardsync.cli.choosing import (
    BOARD,
    NAMES,
    WHOLE,
    choose_images,
    names_or_board,
    place_of,
)
from boardsync.cli.downloads import Ending, Fetched, Fetcher, Job, jobs_in
from boardsync.cli.exits import FAILED, OK
from boardsync.cli.output import print_json, size
from boardsync.cli.preparing import asked_for, preparing
from boardsync.cli.target import JSON, Target, on_invokeai
from boardsync.errors import Refused
from boardsync.files.durable import make_directories
from boardsync.model import Category
from boardsync.servers.elsewhere import Bounds
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.images import Query


@click.command()
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="PATH|URL..."
)
@click.option("--board", metavar="BOARD", help="Where to; without it, Uncategorized.")
@click.option(
    "--category", type=click.Choice([c.value for c in Category]), default=Category.USER.value,
    show_default=True, help="general is the Images tab, the others are the Assets tab.",
)  # fmt: skip
@click.option("--intermediate", is_flag=True, help="Hidden in the web page.")
@click.option("--session", metavar="ID", help="The session that the server notes.")
@click.option("--metadata", metavar="JSON", help="An object, united with what a file embeds.")
@click.option(
    "--name", metavar="NAME",
    help="For standard input or a URL; kept in the image's metadata as boardsync_name. By default "
    "the last part of the URL's path.",
)  # fmt: skip
@within_bounds
@preparing
@JSON
@on_invokeai
def upload(
    target: Target, paths: tuple[str, ...], board: str | None, category: str, intermediate: bool,
    session: str | None, metadata: str | None, name: str | None, bounds: Bounds, as_json: bool,
    **options: Any,
) -> int:  # fmt: skip
    """Send pictures, each checked and prepared as a mirror does it.

    PATH is a file, a folder or `-` for standard input; URL begins with http:// or https://. Of a
    folder all pictures are sent, also those of the folders below, in the order of their paths, but
    for hidden, temporary and ignored ones (`.boardsyncignore`) and links. A URL is fetched without
    any login, and only from the public internet unless --allow-private-addresses is given.

    Every picture has its own result. Exit code 1: not all were uploaded. The files stay as they
    are, however they are prepared.
    """
    # Imported late: what prepares pictures is not wanted by any other of these commands.
    from boardsync.cli.sources import STANDARD_INPUT, sources_of
    from boardsync.cli.uploads import LIMITS, Arrival, Manner, send_all

    manner = Manner(
        Category(category), intermediate, session, _json_object(metadata), asked_for(options)
    )
    content = None
    if STANDARD_INPUT in paths:
        content = sys.stdin.buffer.read(LIMITS.max_bytes + 1)
    sources = sources_of(paths, content, name, bounds, LIMITS.max_bytes)
    results = target.run(lambda client: send_all(client, board, sources, manner))
    totals = Counter(result.arrival.value for result in results)
    counts = {arrival.value: totals[arrival.value] for arrival in Arrival}
    if as_json:
        print_json({"results": [result.record() for result in results], "totals": counts})
    else:
        for result in results:
            click.echo(result.words())
    return OK if totals[Arrival.UPLOADED.value] == len(results) else FAILED


def _json_object(text: str | None) -> Mapping[str, object] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"--metadata is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise click.UsageError('--metadata is no JSON object, such as {"note": "from the scanner"}')
    return value


@dataclass(frozen=True, slots=True)
class Goal:
    """Where downloads go: a directory, and the file's name there when a person chose it."""

    directory: str
    name: str | None = None


@click.command()
@NAMES
@BOARD
@WHOLE
@click.option(
    "--to", "goal", metavar="PATH", default=".", show_default=True,
    type=click.Path(), help="A directory, or the name of the file for one image.",
)  # fmt: skip
@click.option("--thumbnail", is_flag=True, help="The small WebP instead, 256 pixels at most.")
@click.option("--force", is_flag=True, help="Fetch again what is there; replace other files.")
@JSON
@on_invokeai
def download(
    target: Target, names: tuple[str, ...], board: str | None, whole: bool, goal: str,
    thumbnail: bool, force: bool, as_json: bool,
) -> int:  # fmt: skip
    """Fetch images into files: those named, or all of a board.

    A file that is there and complete is skipped, and another one is never replaced without
    --force. Exit code 1: not all are there.
    """
    texts = names_or_board(names, board, whole=whole)
    place = _goal(goal, one=texts is not None and len(texts) == 1)

    async def work(client: InvokeAIClient) -> Sequence[Fetched]:
        jobs = await _jobs(client, texts, board, place, thumbnail=thumbnail)
        _make(place.directory)
        at_once = target.settings.downloads_at_once
        fetcher = Fetcher(client, at_once=at_once, thumbnail=thumbnail, force=force)
        return await fetcher.fetch(jobs)

    results = target.run(work)
    _print_fetched(results, place, as_json=as_json)
    return FAILED if any(result.ending is Ending.FAILED for result in results) else OK


def _goal(path: str, *, one: bool) -> Goal:
    """Tell a directory from the name of a file. Raises UsageError where it can be neither."""
    if os.path.isdir(path) or path.endswith(os.sep):
        return Goal(path)
    if one:
        return Goal(os.path.dirname(path) or ".", os.path.basename(path))
    if os.path.lexists(path):
        raise click.UsageError(f"--to {path} is no directory, and these are several images.")
    return Goal(path)


def _make(directory: str) -> None:
    try:
        make_directories(directory)
    except OSError as error:
        raise Refused(f"{directory} cannot be made: {error.strerror or error}") from error


async def _jobs(
    client: InvokeAIClient, texts: Sequence[str] | None, board: str | None, goal: Goal, *,
    thumbnail: bool,
) -> Sequence[Job | Fetched]:  # fmt: skip
    """Find what is to be fetched, and give each image its file."""
    place = await place_of(client, board)
    if texts is None:
        page = await client.images.list(Query(place, limit=None))
        return jobs_in(goal.directory, page.items, thumbnail=thumbnail)
    choices = await choose_images(client, texts, place, prefix=True)
    images = list({c.image.item_id: c.image for c in choices if c.image}.values())
    failures = [
        Fetched(c.text, Ending.FAILED, reason=c.failure.reason) for c in choices if c.failure
    ]
    if goal.name is None:
        return [*failures, *jobs_in(goal.directory, images, thumbnail=thumbnail)]
    path = os.path.join(goal.directory, goal.name)
    return [*failures, *(Job(image, path, named=True) for image in images)]


def _print_fetched(results: Sequence[Fetched], goal: Goal, *, as_json: bool) -> None:
    totals = Counter(result.ending for result in results)
    written = sum(result.size for result in results)
    if as_json:
        counts = {ending.value: totals[ending] for ending in Ending}
        records = [result.record() for result in results]
        print_json({"results": records, "totals": counts | {"bytes": written}})
        return
    for result in results:
        if result.ending is Ending.FAILED:
            click.echo(result.words())
    click.echo(
        f"saved {totals[Ending.SAVED]} ({size(written)}), skipped {totals[Ending.SKIPPED]}, "
        f"failed {totals[Ending.FAILED]}; in {goal.directory}"
    )
