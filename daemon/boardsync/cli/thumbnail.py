"""`boardsync thumbnail`: small pictures of pictures, kept to be quick. Needs no settings."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, pass_context
from boardsync.cli.derived import derived, real
from boardsync.cli.output import print_json, printable
from boardsync.errors import BoardsyncError, NoRoom, TryAgain
from boardsync.index.thumbnails import EDGE, MOST_EDGE, Thumbnails


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--size", "edge", default=EDGE, show_default=True, type=click.IntRange(1, MOST_EDGE),
    help="Pixels that it is wide and high at most.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list with an object per file.")
@pass_context
@exits.explained
def thumbnail(context: Context, files: tuple[str, ...], edge: int, as_json: bool) -> None:
    """Make a thumbnail of each FILE, and tell where it lies.

    A WebP, upright and in sRGB, that is never larger than the picture. It is made once for each
    version of a picture; what was not looked at for longest goes first when there are too many
    (`thumbnails` in the settings). A FILE that is no picture is told, and the others are done.
    """
    found = derived(context)
    thumbnails = Thumbnails(found.thumbnails, found.bounds.most, found.bounds.keep)
    told: list[dict[str, Any]] = []
    codes: list[int] = []
    for file in files:
        try:
            path = thumbnails.path(file, edge)
        except NoRoom:
            raise  # of no other file it would be another
        except BoardsyncError as error:
            codes.append(exits.code_for(error))
            # It names the file itself, where FILE may be relative, or a symlink.
            words = str(error).removeprefix(f"{os.fsdecode(real(file))}: ")
            click.echo(f"boardsync: {printable(file)}: {printable(words)}", err=True)
            told.append({"file": printable(file), "error": printable(words)})
            told[-1]["try_again"] = isinstance(error, TryAgain)
            continue
        told.append({"file": printable(file), "thumbnail": printable(path)})
        if not as_json:
            click.echo(printable(path))
    if as_json:
        print_json(told)
    sys.exit(min(codes, default=exits.OK))
